//! A call to an e-service: voucher, proof, digest, signature and evidence beside one body.
//!
//! The body is given as bytes and sent as those bytes. Signatures are made just before sending. A
//! voucher that the e-service refuses is replaced once; the call that follows has a new proof, a new
//! signature, a new name for each.

use std::fmt;

use bytes::Bytes;
use canonical::values::UtcInstant;
use contract::AdapterError;
use reqwest::Method;

use super::access::Access;
use super::client::VoucherClient;
use super::token::Held;
use crate::answer::Answer;
use crate::http::{HttpClient, Request};
use crate::modi::audit::User;
use crate::modi::sign::Signer;

/// One call, to be sent as it is.
#[derive(Clone)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: Method,
    /// The path below the address of the e-service.
    pub path: &'a [&'a str],
    /// The query.
    pub query: &'a [(&'a str, &'a str)],
    /// The type of the body, exactly as sent.
    pub content_type: Option<&'a str>,
    /// The encoding of the body, exactly as sent.
    pub content_encoding: Option<&'a str>,
    /// The bytes.
    pub body: Bytes,
    /// On whose behalf.
    pub user: Option<&'a User>,
}

/// Never the body.
impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came back, with what tracing counts by.
#[derive(Debug)]
pub struct Called {
    /// The answer.
    pub answer: Answer,
    /// The name of the voucher.
    pub token_id: String,
    /// Its purpose.
    pub purpose_id: Option<String>,
}

/// Calls one e-service with the vouchers of one connection.
pub struct Caller {
    access: Access,
    target: HttpClient,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Caller {
    /// Calls this e-service with these vouchers.
    pub fn new(vouchers: VoucherClient, target: HttpClient, signer: Option<Signer>) -> Self {
        Self { access: Access::new(vouchers, signer, None), target }
    }

    /// The vouchers.
    pub fn vouchers(&self) -> &VoucherClient {
        self.access.vouchers()
    }

    /// Sends a call, and once more with another voucher when the first is refused.
    pub async fn send(&self, outgoing: &Outgoing<'_>, now: impl Fn() -> UtcInstant) -> Result<Called, AdapterError> {
        let (request, held) = self.access.entitle(self.request(outgoing), outgoing.user, None, || Ok(now())).await?;
        let answer = self.target.exchange(request).await?;
        self.access.answered(&held, answer.status);
        if answer.status != 401 {
            return Ok(called(answer, &held));
        }
        let again = self.access.entitle(self.request(outgoing), outgoing.user, Some(&held), || Ok(now()));
        let (request, held) = again.await?;
        let answer = self.target.exchange(request).await?;
        self.access.answered(&held, answer.status);
        Ok(called(answer, &held))
    }

    fn request(&self, outgoing: &Outgoing<'_>) -> Request {
        let mut request = self.target.request(outgoing.method.clone(), outgoing.path, outgoing.query);
        if let Some(encoding) = outgoing.content_encoding {
            request = request.header("content-encoding", encoding);
        }
        match outgoing.content_type {
            Some(content_type) => request.body(content_type, outgoing.body.clone()),
            None => request,
        }
    }
}

fn called(answer: Answer, held: &Held) -> Called {
    let purpose_id = held.purpose_id().map(str::to_owned);
    Called { answer, token_id: held.token_id().to_owned(), purpose_id }
}
