//! SQL of the trail. What leaves here is limited by the fence to the organisation, and by the verbs to whoever may see it.

pub(super) mod explore;
pub(super) mod review;
pub(crate) mod trail;
