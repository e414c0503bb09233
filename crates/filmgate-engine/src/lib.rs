//! Carries a job from its admission to its delivered file.
