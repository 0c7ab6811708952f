//! What the TLS of the other side says of the certificate that we showed, or did not show.
//!
//! Before TLS 1.3 it says so while the connection is made; since then afterwards, where the answer to the
//! first request is awaited. Either way no request was read: a certificate comes first. Over a connection
//! that has answered before, an alert may come after the request was read, and passed on: it is in doubt.
//! A long body may be cut off before it is heard: then nothing is known, and the request is in doubt too.

use contract::Phase;

/// How the library begins to tell what the other side said.
const SAID: &str = "received fatal alert: ";

/// The alerts about a certificate, or the key under it: as the library tells them, and their names in RFC 8446.
const ABOUT_CERTIFICATES: [(&str, &str); 9] = [
    ("BadCertificate", "bad_certificate"),
    ("UnsupportedCertificate", "unsupported_certificate"),
    ("CertificateRevoked", "certificate_revoked"),
    ("CertificateExpired", "certificate_expired"),
    ("CertificateUnknown", "certificate_unknown"),
    ("UnknownCA", "unknown_ca"),
    ("AccessDenied", "access_denied"),
    ("DecryptError", "decrypt_error"),
    ("CertificateRequired", "certificate_required"),
];

/// The name of the alert underneath an error, where it is about our certificate. It is known by its text,
/// because HTTP/2 keeps nothing else of it; only what reading and writing failed with is looked at, so
/// that no answer can say it.
pub(super) fn about_our_certificate(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let told = causes.find_map(|cause| {
        let told = cause.downcast_ref::<std::io::Error>()?.to_string();
        told.strip_prefix(SAID).map(str::to_owned)
    })?;
    ABOUT_CERTIFICATES.iter().find(|(as_told, _)| *as_told == told).map(|(_, name)| *name)
}

/// How far a request got that such an alert ended. Over which connection it went is not told: while the
/// system has never answered, none of them has let us in.
pub(super) fn phase(is_connecting: bool, has_answered: bool) -> Phase {
    if is_connecting || !has_answered { Phase::Refused } else { Phase::Unknown }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio_rustls::rustls::{AlertDescription as Alert, Error};

    use super::*;

    #[test]
    fn an_alert_about_a_certificate_is_known_as_the_library_tells_it_and_no_other_is() {
        let about = [
            Alert::BadCertificate,
            Alert::UnsupportedCertificate,
            Alert::CertificateRevoked,
            Alert::CertificateExpired,
            Alert::CertificateUnknown,
            Alert::UnknownCA,
            Alert::AccessDenied,
            Alert::DecryptError,
            Alert::CertificateRequired,
        ];
        for (alert, (_, name)) in about.into_iter().zip(ABOUT_CERTIFICATES) {
            let error = io::Error::other(Error::AlertReceived(alert));
            assert_eq!(about_our_certificate(&error), Some(name));
        }
        for alert in [Alert::HandshakeFailure, Alert::InternalError, Alert::CloseNotify] {
            assert_eq!(about_our_certificate(&io::Error::other(Error::AlertReceived(alert))), None);
        }
    }

    #[test]
    fn a_request_is_in_doubt_where_a_connection_that_answered_may_have_carried_it() {
        let phases = [(true, false), (true, true), (false, false), (false, true)];
        assert_eq!(
            phases.map(|(is_connecting, has_answered)| phase(is_connecting, has_answered)),
            [Phase::Refused, Phase::Refused, Phase::Refused, Phase::Unknown]
        );
    }

    #[test]
    fn what_an_answer_says_is_no_alert() {
        let said = Error::General(format!("{SAID}CertificateRequired"));
        assert_eq!(about_our_certificate(&said), None, "it is no failure of reading or writing");
    }
}
