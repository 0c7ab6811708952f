//! From the claims of a provider to roles of ours. Where the claim is and what its values mean is
//! configuration; whoever has no value that is written there has no role, and no role is no access.
//!
//! Providers write one value as a text and several as a list. A provider that has too many groups for a
//! token leaves them out and says so: that is told apart from having none, because the remedy is another.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::CodiceFiscale;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a person who signs in may do. Machines have credentials of their own, never these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Retry, reconcile, decide what waits.
    Operator,
    /// Connections and secrets.
    Admin,
    /// The audit trail alone.
    Auditor,
}

/// Where the roles of a provider stand, and what they mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRule<R = Role> {
    /// The members that lead to the claim, as in `["realm_access", "roles"]`.
    pub path: Vec<String>,
    /// The values of the provider, each compared whole, and the roles they give.
    pub map: BTreeMap<String, R>,
}

/// The provider left the groups out because they are too many. Application roles instead of groups
/// are the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider leaves the groups of this person out because they are too many: use application roles")]
pub struct GroupsOverage;

impl GroupsOverage {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        "groups_overage"
    }
}

impl<R: Copy + Ord> RoleRule<R> {
    /// The roles that verified claims give.
    pub fn roles(&self, claims: &Map<String, Value>) -> Result<BTreeSet<R>, GroupsOverage> {
        let Some((first, rest)) = self.path.split_first() else { return Ok(BTreeSet::new()) };
        let Some(claim) = claims.get(first) else {
            let is_elsewhere = claims.get("_claim_names").is_some_and(|names| names.get(first).is_some());
            let is_hidden = first == "groups" && claims.get("hasgroups").is_some_and(|has| *has == Value::Bool(true));
            return if is_elsewhere || is_hidden { Err(GroupsOverage) } else { Ok(BTreeSet::new()) };
        };
        let claim = rest.iter().try_fold(claim, |value, member| value.get(member));
        let values: Vec<&str> = match claim {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        Ok(values.into_iter().filter_map(|value| self.map.get(value).copied()).collect())
    }
}

/// The tax code of a person who came through SPID or CIE: who he is, never what he may do.
pub fn fiscal_number(claims: &Map<String, Value>) -> Option<CodiceFiscale> {
    let text = claims.get("https://attributes.eid.gov.it/fiscal_number")?.as_str()?;
    CodiceFiscale::parse(text.strip_prefix("TINIT-")?).ok().filter(|code| code.is_person())
}
