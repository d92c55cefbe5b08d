//! What each behaviour makes of the honest answer.

use super::answer::{Answer, Body, Cut, Framing, Tail, honest, not_satisfiable, of_file};
use super::behaviour::{Behaviour, RangeLie};
use super::request::{Incoming, percent_encode};
use super::tree::{ServedFile, Tree};

/// The tag of [`Behaviour::SameEtag`].
const SAME_ETAG: &str = "\"same\"";

/// What happens to a request.
#[derive(Debug)]
pub(super) enum Reaction {
    Answer(Box<Answer>),
    /// Nothing is ever sent.
    Stall,
    /// The connection ends.
    Close,
}

/// The reaction to `request`; `number` is that of the request.
pub(super) fn react(
    behaviour: Option<Behaviour>,
    request: &Incoming,
    tree: &Tree,
    number: u64,
) -> Reaction {
    let mut answer = honest(request, tree);
    let behaviour =
        behaviour.filter(|lie| answer.framing != Framing::NoBody || !is_about_body(lie));
    match behaviour {
        None => {}
        Some(Behaviour::Stall) => return Reaction::Stall,
        Some(Behaviour::CloseAtOnce) => return Reaction::Close,
        Some(Behaviour::Endless) => {
            answer.framing = Framing::Chunked;
            answer.tail = Tail::Endless;
        }
        Some(Behaviour::Short { bytes }) => {
            let honest = body_length(&answer);
            answer.framing = Framing::Length(honest + bytes);
            answer.cut = Some(Cut {
                after: honest,
                reset: false,
            });
        }
        Some(Behaviour::Long { bytes }) => answer.tail = Tail::Zeros(bytes),
        Some(Behaviour::NoLength) => answer.framing = Framing::UntilClose,
        Some(Behaviour::Chunked) => answer.framing = Framing::Chunked,
        Some(Behaviour::Drip { bytes_per_second }) => answer.body_pace = Some(bytes_per_second),
        Some(Behaviour::CutAfter { bytes }) => {
            answer.cut = Some(Cut {
                after: bytes,
                reset: false,
            });
        }
        Some(Behaviour::ResetAfter { bytes }) => {
            answer.cut = Some(Cut {
                after: bytes,
                reset: true,
            });
        }
        Some(Behaviour::WrongRange(lie)) if request.header("range").is_some() => {
            answer = wrong_range(lie, answer, request, tree);
        }
        Some(Behaviour::WrongRange(_)) => {}
        Some(Behaviour::GzipBomb { decoded_len }) => answer = Answer::gzip_bomb(decoded_len),
        Some(Behaviour::Status { code, retry_after }) => {
            answer = Answer::status(code);
            if let Some(seconds) = retry_after {
                answer.set_header("Retry-After", seconds.to_string());
            }
        }
        Some(Behaviour::Page { code, bytes }) => {
            answer = Answer::status(code);
            answer.framing = Framing::Chunked;
            answer.tail = Tail::Zeros(bytes);
        }
        Some(Behaviour::SilentPage { code }) => {
            answer = Answer::status(code);
            answer.body = Body::Empty;
            answer.framing = Framing::Length(100);
            answer.tail = Tail::Silence;
        }
        Some(Behaviour::SameEtag) if request.header("if-none-match") == Some(SAME_ETAG) => {
            answer = Answer::not_modified();
        }
        Some(Behaviour::SameEtag) => answer.set_header("ETag", SAME_ETAG.to_owned()),
        Some(Behaviour::Headers(fields)) => {
            for (name, value) in fields {
                match value {
                    Some(value) => answer.set_header(name, value),
                    None => answer.remove_header(name),
                }
            }
        }
        Some(Behaviour::NotModified) => answer = Answer::not_modified(),
        // Whoever calls has waited.
        Some(Behaviour::Together { .. }) => {}
        Some(Behaviour::RedirectTo(url)) => {
            answer = Answer::status(302);
            answer.set_header("Location", url);
        }
        Some(Behaviour::RedirectLoop) => {
            answer = Answer::status(302);
            let path = percent_encode(&request.path);
            answer.set_header("Location", format!("/{path}?hop={number}"));
        }
        Some(Behaviour::Replace(bytes)) => {
            answer = of_file(request, ServedFile::in_memory(bytes));
        }
        Some(Behaviour::Flip { offset }) => flip(&mut answer, offset),
        Some(Behaviour::SlowHeaders { bytes_per_second }) => {
            answer.header_pace = Some(bytes_per_second);
        }
        Some(Behaviour::HugeHeaders { bytes }) => {
            let lines = bytes.div_ceil(1000);
            let line = ("X-Padding", "a".repeat(1000 - "X-Padding: \r\n".len()));
            answer.headers.extend((0..lines).map(|_| line.clone()));
        }
        Some(Behaviour::ChangeEtagEachTime) => {
            answer.set_header("ETag", format!("\"request-{number}\""));
        }
    }
    Reaction::Answer(Box::new(answer))
}

/// Whether a lie needs a body: a 304 is left as it is.
fn is_about_body(behaviour: &Behaviour) -> bool {
    matches!(
        behaviour,
        Behaviour::Endless
            | Behaviour::Short { .. }
            | Behaviour::Long { .. }
            | Behaviour::NoLength
            | Behaviour::Chunked
            | Behaviour::CutAfter { .. }
            | Behaviour::ResetAfter { .. }
    )
}

fn body_length(answer: &Answer) -> u64 {
    match answer.framing {
        Framing::Length(length) => length,
        Framing::NoBody | Framing::UntilClose | Framing::Chunked => 0,
    }
}

fn wrong_range(lie: RangeLie, mut answer: Answer, request: &Incoming, tree: &Tree) -> Answer {
    let Some(file) = tree.open(&request.path) else {
        return answer;
    };
    let total = file.length;
    if lie == RangeLie::NotSatisfiable {
        return not_satisfiable(total);
    }
    if answer.status != 206 {
        return answer;
    }
    let Body::Part(part) = &mut answer.body else {
        return answer;
    };
    let (start, length) = (part.start, part.length);
    match lie {
        RangeLie::WholeFile => {
            (part.start, part.length) = (0, total);
            answer.status = 200;
            answer.framing = Framing::Length(total);
            answer.remove_header("Content-Range");
        }
        RangeLie::OtherBytes => part.start = 0,
        RangeLie::OtherOffset => {
            let first = start + 1;
            answer.set_header(
                "Content-Range",
                format!("bytes {first}-{}/{}", first + length - 1, total + 1),
            );
        }
        RangeLie::OtherTotal => {
            let last = start + length - 1;
            answer.set_header(
                "Content-Range",
                format!("bytes {start}-{last}/{}", total * 2 + 1),
            );
        }
        RangeLie::NoContentRange => answer.remove_header("Content-Range"),
        RangeLie::NotSatisfiable => {}
    }
    answer
}

fn flip(answer: &mut Answer, offset: u64) {
    if let Body::Part(part) = &mut answer.body
        && part.file.length > 0
    {
        part.flip = Some(offset % part.file.length);
    }
}
