//! Talks to the providers that make the videos.
