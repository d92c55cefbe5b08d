//! Writes a patch.

use std::io::{self, Write as _};

use lzma_rust2::{LzmaOptions, LzmaWriter};

use crate::apply::WORD;
use crate::plan::Plan;
use crate::predict::Walk;
use crate::shifts::Shifts;
use crate::stream::{HEAD, SHAPES, Shape};
use crate::{DICTIONARY, MAGIC};

/// `new` is without its hash tree; `length` is that of the whole image.
pub(crate) fn write(
    plan: &Plan,
    shifts: &Shifts,
    old: &[u8],
    new: &[u8],
    length: u64,
) -> io::Result<Vec<u8>> {
    let [gaps, words, fresh] = contents(plan, shifts, old, new);
    pack(
        [plan_bytes(plan), gaps, words, fresh],
        old.len() as u64,
        length,
    )
}

/// The file of a patch between images of these lengths, with these four streams, whatever is in them.
///
/// # Errors
/// When compressing fails.
pub fn pack(streams: [Vec<u8>; 4], old: u64, new: u64) -> io::Result<Vec<u8>> {
    let mut patch = MAGIC.to_vec();
    patch.extend(old.to_le_bytes());
    patch.extend(new.to_le_bytes());
    patch.resize(HEAD, 0);
    let mut lengths = Vec::new();
    for (shape, stream) in SHAPES.into_iter().zip(streams) {
        let before = patch.len();
        if !stream.is_empty() {
            patch = compress(shape, &stream, patch)?;
        }
        lengths.extend(((patch.len() - before) as u64).to_le_bytes());
        lengths.extend((stream.len() as u64).to_le_bytes());
    }
    patch[HEAD - lengths.len()..HEAD].copy_from_slice(&lengths);
    Ok(patch)
}

fn compress(shape: Shape, bytes: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::with_preset(9);
    // No distance is longer than what there is; the tables for it need not be.
    let length = u32::try_from(bytes.len()).unwrap_or(DICTIONARY);
    options.dict_size = length.clamp(lzma_rust2::DICT_SIZE_MIN, DICTIONARY);
    options.lc = shape.literal_context;
    options.lp = shape.literal_position;
    options.pb = shape.position;
    let mut writer = LzmaWriter::new_no_header(out, &options, false)?;
    writer.write_all(bytes)?;
    writer.finish()
}

fn plan_bytes(plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, u64::from(plan.tree.is_some()));
    if let Some(layout) = &plan.tree {
        let parameters = &layout.parameters;
        number(&mut out, parameters.data_block().trailing_zeros().into());
        number(&mut out, parameters.hash_block().trailing_zeros().into());
        number(&mut out, parameters.data_blocks());
        number(&mut out, parameters.salt().len() as u64);
        out.extend(parameters.salt());
        number(&mut out, layout.data);
        number(&mut out, layout.tree - layout.data_end());
    }
    for programs in [&plan.old, &plan.new] {
        number(&mut out, programs.groups().count() as u64);
        let mut end = 0;
        for program in programs.groups() {
            number(&mut out, program.len() as u64);
            for piece in program {
                number(&mut out, u64::from(piece.offset - end));
                number(&mut out, u64::from(piece.bytes));
                number(&mut out, piece.address);
                number(&mut out, piece.memory - u64::from(piece.bytes));
                end = piece.offset + piece.bytes;
            }
        }
    }
    out.extend(&plan.fields.contexts);
    out.push(plan.fields.absolute);
    number(&mut out, plan.moves.len() as u64);
    let mut end = 0;
    for item in &plan.moves {
        number(&mut out, u64::from(item.new - end));
        end = item.new_end();
    }
    for item in &plan.moves {
        number(&mut out, u64::from(item.length));
    }
    let mut end = 0;
    for item in &plan.moves {
        signed(&mut out, i64::from(item.old) - i64::from(end));
        end = item.old_end();
    }
    out
}

/// The gaps, words and fresh bytes.
fn contents(plan: &Plan, shifts: &Shifts, old: &[u8], new: &[u8]) -> [Vec<u8>; 3] {
    let (mut gaps, mut words, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let mut right = 0;
    let mut end = 0;
    let mut bytes = Vec::new();
    for item in &plan.moves {
        let start = item.new as usize;
        fresh.extend(&new[end..start]);
        end = item.new_end() as usize;
        bytes.clear();
        bytes.extend(&old[item.old as usize..item.old_end() as usize]);
        Walk::new(plan, shifts, *item).go(&mut bytes, item.old, true);
        let wanted = &new[start..end];
        let mut at = 0;
        while at < wanted.len() {
            let same = super::search::common(&bytes[at..], &wanted[at..]);
            right += same as u64;
            at += same;
            if at == wanted.len() {
                break;
            }
            number(&mut gaps, right);
            right = 0;
            let width = WORD.min(wanted.len() - at);
            let value = |bytes: &[u8]| {
                let mut word = [0; WORD];
                word[..width].copy_from_slice(&bytes[at..at + width]);
                u32::from_le_bytes(word)
            };
            let mut word = value(wanted).wrapping_sub(value(&bytes)).to_le_bytes();
            // Beyond the end of the move nothing is added.
            word[width..].fill(0);
            words.extend(word);
            at += width;
        }
    }
    fresh.extend(&new[end..]);
    [gaps, words, fresh]
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn signed(out: &mut Vec<u8>, value: i64) {
    number(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}
