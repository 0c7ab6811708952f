//! Why a token or a message is refused: one stable code, and the status to answer with.
//!
//! The code may go to the caller and to the logs. The detail names claims and times, never tokens:
//! it is for test environments, whose most frequent complaint is a mute answer.

use std::fmt;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: &'static str,
    status: u16,
    detail: String,
}

impl Refusal {
    /// Who calls is not known: 401.
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, status: 401, detail: detail.into() }
    }

    /// Who calls is known and may not: 403.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, status: 403, detail: detail.into() }
    }

    /// The message does not hold together: 400.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, status: 400, detail: detail.into() }
    }

    /// We cannot tell now, through no fault of the caller: 503.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, status: 503, detail: detail.into() }
    }

    /// The same refusal with another status: the same check answers 401 on a voucher and 400 on a
    /// signature.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = if self.status == 503 { 503 } else { status };
        self
    }

    /// The stable code: one word in lower case.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The status to answer with.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What was wrong, for test environments and our own logs.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The header that goes with a 401.
    pub fn www_authenticate(&self) -> Option<&'static str> {
        (self.status == 401).then_some("Bearer error=\"invalid_token\"")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}
