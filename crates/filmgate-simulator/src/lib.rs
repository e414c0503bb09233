//! A provider to try filmgate against: tiers, quotas, faults, and real playable videos.
