//! Who runs the command: what stands in the audit chain unless `--by` says otherwise.

use std::os::unix::fs::MetadataExt as _;

/// The name of the user that this process runs as; its number where it has no name here.
pub(in crate::cli) fn name() -> String {
    // The owner of the own entry is the effective user; variables of the environment say anything.
    let Ok(owner) = std::fs::metadata("/proc/self") else { return "unknown".to_owned() };
    named(owner.uid())
}

/// The name of a user; its number where it has no name here.
pub(in crate::cli) fn named(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &users).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_the_system_names_it() {
        let users = "root:x:0:0:root:/root:/bin/bash\n\nraccordo:x:998:998::/var/lib/raccordo:/usr/sbin/nologin\n";
        assert_eq!(name_of(998, users).as_deref(), Some("raccordo"));
        assert_eq!(name_of(5, users), None);
        assert!(!name().is_empty());
    }
}
