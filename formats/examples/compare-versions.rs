//! Compares versions for `ci/oracles`: reads `A<TAB>B` lines, prints `<`, `=` or `>` for each.

use std::cmp::Ordering;
use std::io::{self, BufRead as _, Write as _};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (left, right) = line
            .split_once('\t')
            .ok_or_else(|| io::Error::other("a line without a tab"))?;
        let sign = match sysext_formats::version::compare(left, right) {
            Ordering::Less => '<',
            Ordering::Equal => '=',
            Ordering::Greater => '>',
        };
        writeln!(out, "{sign}")?;
    }
    out.flush()
}
