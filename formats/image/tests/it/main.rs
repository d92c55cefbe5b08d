//! Tests of the whole crate, on good images, hostile images, and images that the tools of this machine make.

#[cfg(test)]
mod common;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod images;
#[cfg(test)]
mod maker;
#[cfg(test)]
mod tools;
