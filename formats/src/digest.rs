//! Digests: SHA-256 for everything of ours, SHA-512 too where a TUF repository lists it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

/// Bytes that are read at once.
const PIECE: usize = 1 << 18;

/// The SHA-256 digest of some bytes; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

/// A text that is not a SHA-256 digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a SHA-256 digest: 64 lower-case hexadecimal digits are needed")]
pub struct DigestError(String);

impl Sha256Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of all that a reader has.
    ///
    /// # Errors
    /// When the reader fails.
    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut hasher = Sha256Hasher::default();
        let mut buffer = vec![0; PIECE];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first `digits` hexadecimal digits (64 at most), for names that only need to tell digests apart.
    #[must_use]
    pub fn short(&self, digits: usize) -> String {
        self.to_string().chars().take(digits).collect()
    }
}

impl From<[u8; 32]> for Sha256Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Sha256Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.chars().take(80).collect());
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| error())?;
        Ok(Self(bytes.try_into().map_err(|_| error())?))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Hashes bytes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Sha256Hasher(Sha256);

impl Sha256Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

/// The `hashes` member of TUF: algorithm to hexadecimal digest. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Hashes(BTreeMap<String, String>);

/// How bytes fail their `hashes`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashesError {
    /// No member at all: such a document promises nothing.
    #[error("the hashes are empty")]
    Empty,
    /// Only algorithms that this code does not have.
    #[error("none of the hash algorithms {0:?} is known: sha256 and sha512 are")]
    NoKnownAlgorithm(Vec<String>),
    /// The bytes are other bytes.
    #[error("{algorithm} is {found}, {expected} was expected")]
    Mismatch {
        /// The algorithm.
        algorithm: String,
        /// What the signed parent says.
        expected: String,
        /// What the bytes have.
        found: String,
    },
}

impl TryFrom<BTreeMap<String, String>> for Hashes {
    type Error = HashesError;

    fn try_from(map: BTreeMap<String, String>) -> Result<Self, HashesError> {
        if map.is_empty() {
            Err(HashesError::Empty)
        } else {
            Ok(Self(map))
        }
    }
}

impl From<Sha256Digest> for Hashes {
    fn from(digest: Sha256Digest) -> Self {
        Self(BTreeMap::from([("sha256".to_owned(), digest.to_string())]))
    }
}

impl Hashes {
    /// The SHA-256 digest, when it is listed and well-formed.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256Digest> {
        self.0.get("sha256")?.parse().ok()
    }

    /// Algorithms and digests as listed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(algorithm, digest)| (algorithm.as_str(), digest.as_str()))
    }

    /// Checks `bytes` against every listed algorithm that is known, of which there must be one.
    ///
    /// # Errors
    /// When a digest differs or no algorithm is known.
    pub fn check(&self, bytes: &[u8]) -> Result<(), HashesError> {
        let mut known = false;
        for (algorithm, expected) in &self.0 {
            let found = match algorithm.as_str() {
                "sha256" => HEXLOWER.encode(&Sha256::digest(bytes)),
                "sha512" => HEXLOWER.encode(&Sha512::digest(bytes)),
                _ => continue,
            };
            known = true;
            if !found.eq_ignore_ascii_case(expected) {
                return Err(HashesError::Mismatch {
                    algorithm: algorithm.clone(),
                    expected: expected.clone(),
                    found,
                });
            }
        }
        if known {
            Ok(())
        } else {
            Err(HashesError::NoKnownAlgorithm(
                self.0.keys().cloned().collect(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_64_lower_case_digits() {
        assert_eq!(Sha256Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(Sha256Digest::of(b"")));
        for bad in [
            "",
            "e3",
            &EMPTY.to_uppercase(),
            &format!("{EMPTY}00"),
            &EMPTY.replace('e', "g"),
        ] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_in_pieces_have_the_digest_of_the_whole() {
        let mut hasher = Sha256Hasher::default();
        for piece in [&b"piece "[..], b"", b"by piece"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Sha256Digest::of(b"piece by piece"));
        assert_eq!(Sha256Hasher::default().finish(), Sha256Digest::of(b""));
        let long = vec![7; PIECE + 1];
        let reader = io::Read::chain(&long[..3], &long[3..]);
        assert_eq!(
            Sha256Digest::of_reader(reader).unwrap(),
            Sha256Digest::of(&long)
        );
    }

    #[test]
    fn digests_are_shown_whole_or_by_their_beginning() {
        let digest = Sha256Digest::of(b"");
        let shorts = [0, 16, 64, 99].map(|digits| digest.short(digits));
        assert_eq!(shorts, ["", &EMPTY[..16], EMPTY, EMPTY]);
        assert_eq!(format!("{digest:?}"), format!("sha256:{EMPTY}"));
    }

    fn hashes(pairs: &[(&str, &str)]) -> Hashes {
        Hashes(
            pairs
                .iter()
                .map(|(a, d)| ((*a).to_owned(), (*d).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn every_known_hash_must_match_and_one_must_be_known() {
        assert_eq!(hashes(&[("sha256", EMPTY)]).check(b""), Ok(()));
        assert_eq!(
            hashes(&[("sha256", EMPTY), ("blake2b", "00")]).check(b""),
            Ok(())
        );
        assert!(matches!(
            hashes(&[("sha256", EMPTY)]).check(b"x"),
            Err(HashesError::Mismatch { .. })
        ));
        assert!(matches!(
            hashes(&[("sha256", EMPTY), ("sha512", "00")]).check(b""),
            Err(HashesError::Mismatch { .. })
        ));
        assert!(matches!(
            hashes(&[("md5", "00")]).check(b""),
            Err(HashesError::NoKnownAlgorithm(_))
        ));
        let listed = [("blake2b", "00"), ("sha256", EMPTY)];
        assert!(hashes(&listed).iter().eq(listed));
        assert!(serde_json::from_str::<Hashes>("{}").is_err());
    }
}
