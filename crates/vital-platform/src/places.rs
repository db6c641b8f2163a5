//! Places for long work in this process, of which one organisation can take a part alone, so that it never stops the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vital_kernel::TenantId;

/// Places, counted in all and by organisation.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    of_tenant_max: usize,
    taken: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// A place that is taken; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    tenant: TenantId,
    taken: Arc<Mutex<HashMap<TenantId, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(all_max: usize, of_tenant_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all_max)), of_tenant_max, taken: Arc::default() }
    }

    /// Takes a place at once, or none: all are taken, or as many as one organisation may have.
    pub(crate) fn take(&self, tenant: TenantId) -> Option<Place> {
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(tenant).or_default();
        if *own >= self.of_tenant_max {
            return None;
        }
        *own += 1;
        Some(Place { tenant, taken: self.taken.clone(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organisation_takes_its_part_and_leaves_the_rest_to_others() {
        let (places, noisy, quiet) = (Places::new(4, 2), TenantId::new(), TenantId::new());
        let mut held: Vec<_> = (0..2).map(|_| places.take(noisy).expect("a place")).collect();
        assert!(places.take(noisy).is_none(), "no more than its part");
        held.extend([places.take(quiet), places.take(quiet)].into_iter().flatten());
        assert_eq!(held.len(), 4);
        assert!(places.take(TenantId::new()).is_none(), "all are taken");
        held.remove(0);
        assert!(places.take(noisy).is_some(), "a place that was given back");
        held.clear();
        assert!(places.taken.lock().expect("no test panics with the lock").is_empty());
    }
}
