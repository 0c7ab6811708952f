//! What opens a system: a client of the national platform where it is an e-service, an authorization
//! server where one stands before it. Here is what is wrong with how they are configured; what the other
//! side itself would refuse is found when their adapters are built.

use std::path::Path;

use super::{Config, SystemConfig};

/// Makes the paths of all clients, of the platform and of authorization servers, relative to a folder.
pub(super) fn be_relative(config: &mut Config, folder: &Path) {
    for system in config.systems.values_mut() {
        system.pdnd.iter_mut().for_each(|connection| connection.be_relative_to(folder));
        system.oauth.iter_mut().for_each(|registration| registration.be_relative_to(folder));
    }
    config.pdnd.values_mut().for_each(|connection| connection.be_relative_to(folder));
}

/// What is wrong with what opens a system: the key, and what to write instead.
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
    if system.pdnd.is_some() && system.oauth.is_some() {
        let problem = format!(
            "systems.{name}.oauth together with systems.{name}.pdnd: a request has one place for a voucher or a token; \
             take one of them away"
        );
        return Some((vec!["systems", name, "oauth"], problem));
    }
    if system.simulated && system.oauth.is_some() {
        let problem = format!(
            "systems.{name}.simulated together with systems.{name}.oauth: a simulator asks for no token; take one of \
             them away"
        );
        return Some((vec!["systems", name, "simulated"], problem));
    }
    let key = ["pdnd", "oauth"].into_iter().find(|key| system.settings.contains_key(*key))?;
    let problem = format!("systems.{name}.settings.{key} is not read there: write it as [systems.{name}.{key}]");
    Some((vec!["systems", name, "settings", key], problem))
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
    #[test]
    fn a_token_comes_without_a_voucher_and_its_files_stand_beside_the_configuration() {
        let text = "[systems.hub.oauth]\ntoken_url = \"https://accessi.example/token\"\nclient_id = \"c\"\n\
                    client_secret_file = \"segreto\"\nca_file = \"ca.pem\"\n";
        let config = parse(text).expect("valid");
        let oauth = config.systems["hub"].oauth.as_ref().expect("a registration");
        assert_eq!(oauth.client_secret_file.as_deref(), Some(Path::new("/srv/raccordo/segreto")));
        assert_eq!(oauth.ca_file.as_deref(), Some(Path::new("/srv/raccordo/ca.pem")));
        let pdnd = "[systems.hub.pdnd]\nenvironment = \"uat\"\nclient_id = \"c\"\nprivate_key_file = \"c.pem\"\n";
        let both = parse(&format!("{pdnd}{text}")).expect_err("both");
        assert!(both.starts_with("line 5: ") && both.contains("systems.hub.pdnd"), "{both}");
        let simulated = parse(&format!("[systems.hub]\nsimulated = true\n{text}")).expect_err("both");
        assert!(simulated.starts_with("line 2: ") && simulated.contains("asks for no token"), "{simulated}");
        let misplaced = parse("[systems.hub.settings.oauth]\nx = 1").expect_err("misplaced");
        assert!(misplaced.contains("[systems.hub.oauth]"), "{misplaced}");
        let misspelt = parse(&text.replace("client_id", "cliente_id")).expect_err("misspelt");
        assert!(misspelt.contains("line 3") && misspelt.contains("cliente_id"), "{misspelt}");
    }
}
