//! Stories of a host: the real binary, a scratch root, and a catalog behind a real server that can lie.

#[cfg(test)]
mod boot;
#[cfg(test)]
mod catalog_changes;
#[cfg(test)]
mod economy;
#[cfg(test)]
mod foreign_text;
#[cfg(test)]
mod going_back;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod import;
#[cfg(test)]
mod lying_server;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod mismatches;
#[cfg(test)]
mod next_root;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod roots;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod world;
