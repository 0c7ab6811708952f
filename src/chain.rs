//! What went wrong, with all that led to it.

use std::error::Error;

/// An error with its causes, in one line for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line = format!("{line}: {next}");
        cause = next.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use contract::{AdapterError, ErrorKind};

    use super::*;

    #[test]
    fn the_cause_stands_behind_what_it_led_to() {
        let error = AdapterError::new(ErrorKind::Local, "read a file").caused_by("no room".to_owned());
        assert!(chain(&error).ends_with(": no room"), "{}", chain(&error));
    }
}
