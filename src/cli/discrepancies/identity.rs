//! Who a person is where four eyes are asked for: who logged in, not who he became by `sudo` or `su`.
//!
//! The system keeps the user of the login with every process that comes from it, and lets nobody but
//! root change it. Whoever is root, or knows the password of another, can be anybody: this program
//! cannot tell.

use crate::cli::parked::who;

/// What the system says of a process that comes from no login.
const NO_LOGIN: u32 = u32::MAX;

/// The user of the login from which this process comes; the user that it runs as where there was none.
pub(super) fn who_logged_in() -> String {
    let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    login_of(&login).map_or_else(who::name, who::named)
}

fn login_of(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_number_that_is_not_the_one_for_none() {
        assert_eq!(login_of("1000"), Some(1000));
        assert_eq!(login_of("0\n"), Some(0));
        assert_eq!(login_of("4294967295"), None);
        assert_eq!(login_of(""), None);
        assert!(!who_logged_in().is_empty());
    }
}
