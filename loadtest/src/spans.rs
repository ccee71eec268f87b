//! A text as clocks: from a position among what is visible to the blocks that a Yjs client would name.

/// Characters of one writer with clocks one behind the other, all of them visible or all deleted.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    /// Clock of the first.
    clock: u32,
    /// How many code points.
    chars: u32,
    /// Clocks of each: Yjs counts UTF-16 code units, so what lies beyond the basic plane has two.
    width: u32,
    is_deleted: bool,
}

impl Span {
    fn end(&self) -> u32 {
        self.clock + self.chars * self.width
    }

    fn visible(&self) -> usize {
        if self.is_deleted { 0 } else { self.chars as usize }
    }

    /// Whether the other goes on where this one ends.
    fn takes(&self, next: &Span) -> bool {
        self.end() == next.clock && self.width == next.width && self.is_deleted == next.is_deleted
    }
}

/// Neighbouring spans, with a sum, so that a search passes over them in one step.
#[derive(Clone, Debug, Default)]
struct Chunk {
    spans: Vec<Span>,
    /// Characters that are visible.
    visible: usize,
}

/// More spans than these are two chunks.
const CHUNK_SPANS_MAX: usize = 128;

/// A text that one writer makes.
#[derive(Clone, Debug)]
pub struct Spans {
    /// Never empty; a chunk may be.
    chunks: Vec<Chunk>,
    visible: usize,
}

/// Between which clocks something stands; none is the beginning or the end of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// The last clock to the left.
    pub left: Option<u32>,
    /// The first clock to the right.
    pub right: Option<u32>,
}

/// A place between two spans.
#[derive(Clone, Copy)]
struct Place {
    chunk: usize,
    span: usize,
}

impl Default for Spans {
    fn default() -> Spans {
        Spans {
            chunks: vec![Chunk::default()],
            visible: 0,
        }
    }
}

impl Spans {
    /// How many characters are visible.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// Inserts text whose first clock is `clock` before the character at `at`, and tells its neighbours: as in Yjs it
    /// comes behind whatever is deleted at that place. `at` is at most [`Spans::visible`].
    pub fn insert(&mut self, at: usize, clock: u32, text: &str) -> Neighbours {
        let mut place = self.split(at);
        let mut left = None;
        // Behind the deleted.
        loop {
            let chunk = &self.chunks[place.chunk];
            match chunk.spans.get(place.span) {
                Some(span) if span.is_deleted => place.span += 1,
                Some(_) => break,
                None if place.chunk + 1 < self.chunks.len() => {
                    // At the border an insert belongs to the end of this chunk, unless deleted things follow.
                    let next = self.chunks[place.chunk + 1].spans.first();
                    if next.is_some_and(|span| !span.is_deleted) {
                        break;
                    }
                    place = Place {
                        chunk: place.chunk + 1,
                        span: 0,
                    };
                }
                None => break,
            }
        }
        if let Some(span) = self.before(place) {
            left = Some(span.end() - 1);
        }
        let right = self.after(place).map(|span| span.clock);
        let mut begins = clock;
        for (width, chars) in runs(text) {
            let span = Span {
                clock: begins,
                chars,
                width,
                is_deleted: false,
            };
            begins = span.end();
            let chunk = &mut self.chunks[place.chunk];
            chunk.visible += chars as usize;
            self.visible += chars as usize;
            match place.span.checked_sub(1).map(|before| &mut chunk.spans[before]) {
                Some(before) if before.takes(&span) => before.chars += chars,
                _ => {
                    chunk.spans.insert(place.span, span);
                    place.span += 1;
                }
            }
        }
        self.divide(place.chunk);
        Neighbours { left, right }
    }

    /// Deletes `count` characters from `at` on, and gives the clocks of each piece: the first and the one behind the
    /// last. Together they are at most [`Spans::visible`].
    pub fn delete(&mut self, at: usize, count: usize, mut gone: impl FnMut(u32, u32)) {
        let mut place = self.split(at);
        let mut left = count;
        while left > 0 {
            let Some(span) = self.chunks[place.chunk].spans.get(place.span).copied() else {
                self.join(place.chunk);
                place = Place {
                    chunk: place.chunk + 1,
                    span: 0,
                };
                if place.chunk == self.chunks.len() {
                    return;
                }
                continue;
            };
            if !span.is_deleted {
                let chars = span.chars.min(u32::try_from(left).unwrap_or(u32::MAX));
                if chars < span.chars {
                    self.cut(place, chars);
                }
                let chunk = &mut self.chunks[place.chunk];
                let span = &mut chunk.spans[place.span];
                span.is_deleted = true;
                gone(span.clock, span.end());
                chunk.visible -= chars as usize;
                self.visible -= chars as usize;
                left -= chars as usize;
            }
            place.span += 1;
        }
        self.join(place.chunk);
        self.divide(place.chunk);
    }

    /// The place before the character at `at`, as far left as there is one.
    fn split(&mut self, at: usize) -> Place {
        let mut left = at;
        let last = self.chunks.len() - 1;
        let mut chunk = 0;
        while chunk < last && left > self.chunks[chunk].visible {
            left -= self.chunks[chunk].visible;
            chunk += 1;
        }
        let mut span = 0;
        while left > 0 {
            let Some(one) = self.chunks[chunk].spans.get(span) else {
                break;
            };
            let visible = one.visible();
            if visible > left {
                self.cut(Place { chunk, span }, u32::try_from(left).unwrap_or(u32::MAX));
                left = 0;
            } else {
                left -= visible;
            }
            span += 1;
        }
        Place { chunk, span }
    }

    /// Makes two of a span; the first has so many characters.
    fn cut(&mut self, place: Place, chars: u32) {
        let spans = &mut self.chunks[place.chunk].spans;
        let whole = spans[place.span];
        spans[place.span].chars = chars;
        let rest = Span {
            clock: whole.clock + chars * whole.width,
            chars: whole.chars - chars,
            ..whole
        };
        spans.insert(place.span + 1, rest);
    }

    fn before(&self, place: Place) -> Option<&Span> {
        let here = &self.chunks[place.chunk].spans[..place.span];
        let earlier = || {
            self.chunks[..place.chunk]
                .iter()
                .rev()
                .find_map(|chunk| chunk.spans.last())
        };
        here.last().or_else(earlier)
    }

    fn after(&self, place: Place) -> Option<&Span> {
        let here = &self.chunks[place.chunk].spans[place.span..];
        let later = || {
            self.chunks[place.chunk + 1..]
                .iter()
                .find_map(|chunk| chunk.spans.first())
        };
        here.first().or_else(later)
    }

    /// What was cut and fits again becomes one: else deletions would leave a span each.
    fn join(&mut self, chunk: usize) {
        self.chunks[chunk].spans.dedup_by(|next, before| {
            let fits = before.takes(next);
            if fits {
                before.chars += next.chars;
            }
            fits
        });
    }

    fn divide(&mut self, place: usize) {
        let chunk = &mut self.chunks[place];
        if chunk.spans.len() <= CHUNK_SPANS_MAX {
            return;
        }
        let spans = chunk.spans.split_off(chunk.spans.len() / 2);
        let visible = spans.iter().map(Span::visible).sum();
        chunk.visible -= visible;
        self.chunks.insert(place + 1, Chunk { spans, visible });
    }
}

/// The text in pieces of characters that are equally wide: how wide, and how many.
fn runs(text: &str) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for one in text.chars() {
        let width = one.len_utf16() as u32;
        match runs.last_mut() {
            Some((last, chars)) if *last == width => *chars += 1,
            _ => runs.push((width, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// The same, one character after the other: clock, width, whether it is visible.
    #[derive(Default)]
    struct Slow(Vec<(u32, u32, bool)>);

    impl Slow {
        fn place(&self, at: usize) -> usize {
            let mut left = at;
            let mut place = 0;
            while left > 0 {
                left -= usize::from(self.0[place].2);
                place += 1;
            }
            place
        }

        fn insert(&mut self, at: usize, clock: u32, text: &str) -> Neighbours {
            let mut place = self.place(at);
            while self.0.get(place).is_some_and(|one| !one.2) {
                place += 1;
            }
            let left = place
                .checked_sub(1)
                .map(|place| self.0[place].0 + self.0[place].1 - 1);
            let right = self.0.get(place).map(|one| one.0);
            let mut clock = clock;
            for one in text.chars() {
                let width = one.len_utf16() as u32;
                self.0.insert(place, (clock, width, true));
                clock += width;
                place += 1;
            }
            Neighbours { left, right }
        }

        fn delete(&mut self, at: usize, count: usize) -> Vec<u32> {
            let mut place = self.place(at);
            let mut gone = Vec::new();
            while gone.len() < count {
                let one = &mut self.0[place];
                if std::mem::take(&mut one.2) {
                    gone.push(one.0);
                }
                place += 1;
            }
            gone
        }
    }

    #[test]
    fn it_says_what_a_list_of_characters_says() {
        let mut rng = SmallRng::seed_from_u64(7);
        let (mut fast, mut slow) = (Spans::default(), Slow::default());
        let mut clock = 0;
        for round in 0..6_000 {
            if fast.visible() == 0 || rng.random_bool(0.6) {
                let text = ["a", "wort", "😀", "x😀😀y", "ä"][rng.random_range(0..5)];
                let at = rng.random_range(0..=fast.visible());
                assert_eq!(
                    fast.insert(at, clock, text),
                    slow.insert(at, clock, text),
                    "{round}"
                );
                clock += text.encode_utf16().count() as u32;
            } else {
                let at = rng.random_range(0..fast.visible());
                let count = rng.random_range(1..=(fast.visible() - at).min(9));
                let mut gone = Vec::new();
                fast.delete(at, count, |from, to| gone.extend(from..to));
                let expected = slow.delete(at, count);
                assert!(expected.iter().all(|clock| gone.contains(clock)), "{round}");
            }
            let visible = slow.0.iter().filter(|one| one.2).count();
            assert_eq!(fast.visible(), visible);
        }
        assert!(fast.chunks.len() > 3);
    }
}
