//! Makes images from folders and from plain programs.

pub mod elf;
