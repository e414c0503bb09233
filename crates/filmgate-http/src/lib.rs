//! Filmgate's HTTP face: dialects, media links, admin API.
