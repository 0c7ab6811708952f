//! Where requests may go: to the one host of a client, at an address that may be spoken with.
//!
//! A name says today one address and tomorrow another, so what is checked is what is connected to: the
//! check is the resolver of the client itself. Machines of one's own network are reached only where the
//! configuration says so, because otherwise whoever writes a name, or an address in an answer, would
//! speak with them through us.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What an address is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anybody's.
    Public,
    /// This machine, or one of a network of ours; the word says which.
    Private(&'static str),
    /// Nothing that a system of ours answers at.
    Never(&'static str),
}

impl Place {
    /// What an address is, in whatever form it is written.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

/// Where machines of a cloud are told their credentials, beside the link-local addresses.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn of_v4(address: Ipv4Addr) -> Place {
    if METADATA_V4.contains(&address) {
        return Place::Never("a metadata address");
    }
    match address.octets() {
        [127, ..] => Place::Private("an address of this machine"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Place::Private("a private address"),
        [169, 254, ..] => Place::Never("a link-local or metadata address"),
        [0, ..] => Place::Never("an unspecified address"),
        [224..=255, ..] => Place::Never("a multicast or reserved address"),
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Place::Never("an address for tests and documents")
        }
        _ => Place::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Place {
    if address == METADATA_V6 {
        return Place::Never("a metadata address");
    }
    let segments = address.segments();
    // Translated addresses lead where the address within them leads.
    let within = |at: usize| {
        let ([first, second], [third, fourth]) = (segments[at].to_be_bytes(), segments[at + 1].to_be_bytes());
        of_v4(Ipv4Addr::new(first, second, third, fourth))
    };
    match (segments[0], segments[1]) {
        _ if address.is_loopback() => Place::Private("an address of this machine"),
        (0xfc00..=0xfdff | 0xfec0..=0xfeff, _) => Place::Private("a private address"),
        (0xfe80..=0xfebf, _) => Place::Never("a link-local or metadata address"),
        (0x64, 0xff9b) if segments[2..6] == [0; 4] => within(6),
        (0x2002, _) => within(1),
        (0x2001, 0xdb8) => Place::Never("an address for tests and documents"),
        (0x2001, 0..=0x1ff) => Place::Never("a tunnelled or reserved address"),
        (0x2000..=0x3fff, _) => Place::Public,
        _ => Place::Never("a reserved address"),
    }
}

/// Which places a client may speak with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Machines of our own networks.
    pub(super) private: bool,
    /// The place that the configuration names without a name: an address, or `localhost`.
    pub(super) as_named: bool,
}

/// Why an address is not spoken with. It names the host and never the path or the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// It belongs to a network of ours, and nothing says that it may be spoken with.
    #[error(
        "{host} is at {address}, {what}: write `allow_private = true` beside its address if it is meant to be there"
    )]
    Private {
        /// The host.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What that is.
        what: &'static str,
    },
    /// No system answers there, whatever is configured.
    #[error("{host} is at {address}, {what}, which is never spoken with: correct the address, or the name server")]
    Never {
        /// The host.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What that is.
        what: &'static str,
    },
    /// A client speaks with one host.
    #[error("{host} is not the host of this connection, which is {known}")]
    OtherHost {
        /// The host.
        host: String,
        /// The one of the connection.
        known: String,
    },
}

impl Allowed {
    fn check(self, host: &str, address: IpAddr) -> Result<(), NotAllowed> {
        let host = host.to_owned();
        match Place::of(address) {
            Place::Public => Ok(()),
            Place::Private(_) if self.private => Ok(()),
            Place::Private(what) => Err(NotAllowed::Private { host, address, what }),
            Place::Never(what) => Err(NotAllowed::Never { host, address, what }),
        }
    }

    /// Checks a base address. One without a name is never resolved, so it is checked here; what has
    /// a name is checked whenever it is connected to.
    pub(super) fn check_literal(self, url: &Url) -> Result<(), NotAllowed> {
        let host = url.host_str().unwrap_or_default();
        let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else { return Ok(()) };
        Self { private: self.private || self.as_named, ..self }.check(host, address)
    }
}

/// Whether a request stays with the host that its client was made for.
pub(super) fn check_host(url: &Url, base: &Url) -> Result<(), NotAllowed> {
    let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    if place(url) == place(base) {
        return Ok(());
    }
    let host = |url: &Url| url.host_str().unwrap_or_default().to_owned();
    Err(NotAllowed::OtherHost { host: host(url), known: host(base) })
}

/// The answer of whoever knows where names are.
pub(super) type Found = Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;
/// Whoever knows where names are: the machine, or a test.
pub(super) type LookUp = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// The resolver of the machine.
pub(super) fn of_the_machine() -> LookUp {
    Arc::new(|host| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Finds where one host is, and gives away only what may be spoken with.
pub(super) struct GuardedResolver {
    pub(super) host: String,
    pub(super) allowed: Allowed,
    pub(super) look_up: LookUp,
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedResolver").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, allowed) = (name.as_str().to_owned(), self.allowed);
        if !host.eq_ignore_ascii_case(&self.host) {
            let refused = NotAllowed::OtherHost { host, known: self.host.clone() };
            return Box::pin(async move { Err(refused.into()) });
        }
        let found = (self.look_up)(host.clone());
        Box::pin(async move {
            let found = found.await?;
            // `localhost`, where it is configured, is this machine and nothing else.
            let is_here = |address: &IpAddr| allowed.as_named && host == "localhost" && address.is_loopback();
            let (mut good, mut refused) = (Vec::new(), None);
            for address in found {
                match allowed.check(&host, address) {
                    Ok(()) => good.push(SocketAddr::new(address, 0)),
                    Err(_) if is_here(&address) => good.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = refused.or(Some(why)),
                }
            }
            match refused {
                // Of several addresses those that may be spoken with are: the others never are.
                Some(why) if good.is_empty() => Err(why.into()),
                _ => Ok(Box::new(good.into_iter()) as Addrs),
            }
        })
    }
}

/// The refusal underneath an error, where it is one.
pub(super) fn refusal_under(error: &(dyn std::error::Error + 'static)) -> Option<NotAllowed> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<NotAllowed>()).cloned()
}

#[cfg(test)]
mod tests;
