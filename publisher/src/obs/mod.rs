//! The Open Build Service: what its publisher's directory and its published repositories look like.
//!
//! ```text
//! build root     OTHER/NAME.raw  NAME.raw.sha256  NAME.manifest.gz     the hook adds NAME.raw.json  NAME.raw.json.sha256
//!      │ bs_publish: by a list of suffixes, into one directory; manifests go into one for each architecture
//! repository     NAME.raw  NAME.raw.sha256  NAME.raw.json  NAME.raw.json.sha256  SHA256SUMS  SHA256SUMS.asc  SHA256SUMS.gpg
//! ```
//!
//! - `SHA256SUMS` holds the lines of every `*.sha256` file, and nothing else is in it. It may come before what it lists.
//! - What is not in the newest result of a build is unlinked: a catalog keeps what OBS forgets.
//! - [`arrived`] tells an image that is not all there yet from a bad one, [`record`] keeps what a person must mend,
//!   [`log`] is where the hook talks, since OBS sends its output to `/dev/null`.
//! - [`repository`] reads a published repository, [`signed_list`] its list, whose signature [`gpgv`] verifies.

pub mod arrived;
pub mod gpgv;
pub mod log;
pub mod record;
pub mod repository;
pub mod signed_list;
