//! Whole runs of the program, as vendors and their CI make them, in directories that are thrown away.

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod common;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod git;
#[cfg(test)]
mod github;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod obs;
#[cfg(test)]
mod obs_fetch;
#[cfg(test)]
mod patches;
#[cfg(test)]
mod proposals;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod races;
#[cfg(test)]
mod release;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod site;
#[cfg(test)]
mod story;
#[cfg(test)]
mod sums;
#[cfg(test)]
mod time;
#[cfg(test)]
#[path = "../../examples/write-catalog/publish.rs"]
mod write_catalog;
