//! Systems that are e-services of the national platform: what is wrong with how they are configured. What
//! the platform itself would refuse is found when their adapters are built.

use std::path::Path;

use super::{Config, SystemConfig};

/// Makes the paths of all clients of the platform relative to a folder.
pub(super) fn be_relative(config: &mut Config, folder: &Path) {
    let of_systems = config.systems.values_mut().filter_map(|system| system.pdnd.as_mut());
    config.pdnd.values_mut().chain(of_systems).for_each(|connection| connection.be_relative_to(folder));
}

/// What is wrong with a system as an e-service: the key, and what to write instead.
pub(super) fn problem<'a>(config: &Config, name: &'a str, system: &SystemConfig) -> Option<(Vec<&'a str>, String)> {
    if system.pdnd.is_some() && config.pdnd.contains_key(name) {
        let problem =
            format!("pdnd.{name} together with systems.{name}.pdnd: commands know clients by name; give one another");
        return Some((vec!["pdnd", name], problem));
    }
    if system.simulated && system.pdnd.is_some() {
        let problem = format!(
            "systems.{name}.simulated together with systems.{name}.pdnd: a simulator is no e-service; take one of them away"
        );
        return Some((vec!["systems", name, "simulated"], problem));
    }
    system.settings.contains_key("pdnd").then(|| {
        let problem = format!("systems.{name}.settings.pdnd is not read there: write it as [systems.{name}.pdnd]");
        (vec!["systems", name, "settings", "pdnd"], problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/srv/raccordo"))
    }

    #[test]
    fn an_e_service_is_no_simulator_and_its_files_stand_beside_the_configuration() {
        let text = "[systems.hub]\nsimulated = true\n[systems.hub.pdnd]\nenvironment = \"uat\"\nclient_id = \"c\"\n\
                    private_key_file = \"c.pem\"\nclient_certificate_file = \"tls.pem\"\n";
        let problem = parse(text).expect_err("both");
        assert!(problem.starts_with("line 2: ") && problem.contains("no e-service"), "{problem}");
        let config = parse(&text.replace("true", "false")).expect("valid");
        let pdnd = config.systems["hub"].pdnd.as_ref().expect("a client");
        assert_eq!(pdnd.private_key_file, Path::new("/srv/raccordo/c.pem"));
        assert_eq!(pdnd.client_certificate_file.as_deref(), Some(Path::new("/srv/raccordo/tls.pem")));
        let twice = text.replace("true", "false")
            + "[pdnd.hub]\nenvironment = \"uat\"\nclient_id = \"d\"\n\
                    private_key_file = \"d.pem\"\n";
        let problem = parse(&twice).expect_err("one name for two");
        assert!(problem.starts_with("line 8: ") && problem.contains("give one another"), "{problem}");
        let misplaced = parse("[systems.hub.settings.pdnd]\nx = 1").expect_err("misplaced");
        assert!(misplaced.contains("[systems.hub.pdnd]"), "{misplaced}");
        let misspelt = parse(&text.replace("true", "false").replace("client_id", "cliente_id")).expect_err("misspelt");
        assert!(misspelt.contains("line 5") && misspelt.contains("cliente_id"), "{misspelt}");
    }
}
