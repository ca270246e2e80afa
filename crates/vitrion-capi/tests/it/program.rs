//! C programs that use the library.
