//! What Pi.Co. holds by digest: its lists say the digest of every package and every sheet, so that only
//! those that differ are fetched.

use async_trait::async_trait;
use canonical::Digest;
use contract::{AdapterError, Composed, DigestPage, Digests, ErrorKind, KeyRange, ObservedUnit, UnitDigest, UnitKey};

use crate::adapter::{Pico, impronta_of};
use crate::client::{DIGESTS_LIMIT, SHEETS_LIMIT};
use crate::dataset::Dataset;
use crate::unit::{Collection, Unit};
use crate::wire::{Elemento, Elenco, Keyed, PackageKey, SchedaTenuta};
use crate::{SYSTEM, dataset, read};

#[async_trait]
impl Digests for Pico {
    fn digest_of(&self, composed: &Composed) -> Option<Digest> {
        Digest::from_hex(&impronta_of(&composed.body)?)
    }

    /// Packages, then resources of others, then reports, as in the inventory.
    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
        let after = range.after.as_ref().map(UnitKey::as_str);
        let collections = [Collection::Segnalazioni, Collection::Risorse];
        let collection = collections.into_iter().find(|one| after.is_some_and(|after| after >= one.prefix()));
        let (elements, next) = if let Some(collection) = collection {
            // The prefix alone is where the list begins.
            let after = after.filter(|after| *after != collection.prefix());
            let page: Elenco<SchedaTenuta> = self.client.list(Some(collection), after, SHEETS_LIMIT).await?;
            let elements = page.elementi.iter().map(|held| {
                read::sheet(collection, held)
                    .map(|unit| (unit.key.0, held.impronta.clone()))
                    .map_err(|problem| not_understood(&problem))
            });
            let end = (collection == Collection::Risorse).then(|| Collection::Segnalazioni.prefix().to_owned());
            (elements.collect::<Result<Vec<_>, _>>()?, page.successivo.or(end))
        } else {
            let page: Elenco<Elemento> = self.client.list(None, after, DIGESTS_LIMIT).await?;
            let is_compared = |elemento: &&Elemento| dataset::by_name(&elemento.dataset).is_some();
            let elements = page.elementi.iter().filter(is_compared);
            let elements = elements.map(|elemento| (elemento.key(), elemento.impronta.clone())).collect();
            (elements, page.successivo.or_else(|| Some(Collection::Risorse.prefix().to_owned())))
        };
        let unit = |(key, impronta): (String, String)| {
            let digest = Digest::from_hex(&impronta).ok_or_else(|| not_understood("a digest that is none"))?;
            Ok(UnitDigest { key: UnitKey(key), digest })
        };
        let units = elements.into_iter().map(unit).collect::<Result<_, AdapterError>>()?;
        Ok(DigestPage { units, next: next.map(UnitKey), whole: None })
    }

    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
        let mut units = Vec::new();
        for key in keys {
            units.extend(match Unit::parse(key.as_str()) {
                Some(Unit::Package { key, dataset, .. }) => self.held_package(&key, dataset).await?,
                Some(unit @ Unit::Sheet { collection, .. }) => match self.client.sheet(&unit).await? {
                    Some(held) => Some(read::sheet(collection, &held).map_err(|problem| not_understood(&problem))?),
                    None => None,
                },
                None => self.odd_package(key.as_str()).await?,
            });
        }
        Ok(units)
    }
}

impl Pico {
    async fn held_package(
        &self,
        key: &PackageKey,
        dataset: &'static Dataset,
    ) -> Result<Option<ObservedUnit>, AdapterError> {
        match self.client.manifest(key).await? {
            Some(manifesto) => Ok(Some(self.package(&manifesto.entry(), key, dataset).await?)),
            None => Ok(None),
        }
    }

    /// A package of a body or a period that we would never send: what stands in the list is given, as
    /// it is in the inventory.
    async fn odd_package(&self, key: &str) -> Result<Option<ObservedUnit>, AdapterError> {
        let Some(key) = PackageKey::parse(key) else { return Ok(None) };
        let is_addressed = ![&key.ente, &key.periodo].into_iter().any(|part| matches!(part.as_str(), "." | ".."));
        match dataset::by_name(&key.dataset).filter(|_| is_addressed) {
            Some(dataset) => self.held_package(&key, dataset).await,
            None => Ok(None),
        }
    }
}

fn not_understood(problem: &str) -> AdapterError {
    AdapterError::new(ErrorKind::NotUnderstood, format!("{SYSTEM} inventory by digest")).caused_by(problem.to_owned())
}
