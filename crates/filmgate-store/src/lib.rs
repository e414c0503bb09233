//! Everything filmgate remembers, on disk.
