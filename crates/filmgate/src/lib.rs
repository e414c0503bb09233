//! A self-hosted gateway for video generation.
