//! The plans of one session, the most recently used first.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Plan, PlanKey};

/// Each plan holds packed weights of its own; this many bounds what alternating shapes cost.
const CAPACITY: usize = 4;
/// Of plans that a template makes in no time: this one's, and that of the run before.
#[cfg(feature = "gpu")]
const PASSING: usize = 2;

pub(crate) struct PlanCache<P = Plan>(Mutex<Vec<(PlanKey, Arc<P>)>>);

impl<P> Default for PlanCache<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P> PlanCache<P> {
    #[cfg(feature = "gpu")]
    pub(crate) fn get(&self, key: &PlanKey) -> Option<Arc<P>> {
        self.find(|one| one == key)
    }

    pub(crate) fn find(&self, wanted: impl Fn(&PlanKey) -> bool) -> Option<Arc<P>> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plans.iter().position(|(key, _)| wanted(key))?;
        if at == 0 {
            return plans.first().map(|(_, plan)| Arc::clone(plan));
        }
        let hit = plans.remove(at);
        let plan = Arc::clone(&hit.1);
        plans.insert(0, hit);
        Some(plan)
    }

    /// Shows all keys.
    #[cfg(feature = "gpu")]
    pub(crate) fn each(&self, mut see: impl FnMut(&PlanKey)) {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.iter().for_each(|(key, _)| see(key));
    }

    pub(crate) fn put(&self, key: PlanKey, plan: Arc<P>) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|(k, _)| *k != key);
        plans.insert(0, (key, plan));
        plans.truncate(CAPACITY);
    }

    /// Lets go of the oldest of those that are `passing`, but for a few: shapes that grow do not come again.
    #[cfg(feature = "gpu")]
    pub(crate) fn pass(&self, passing: impl Fn(&P) -> bool) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = 0;
        plans.retain(|(_, plan)| {
            kept += usize::from(passing(plan));
            kept <= PASSING || !passing(plan)
        });
    }

    /// Lets go of all of them; whether there were any.
    #[cfg(feature = "gpu")]
    pub(crate) fn clear(&self) -> bool {
        let plans = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        !plans.is_empty()
    }
}
