//! What threads have gathered, line by line, and how it becomes one log.

use std::ops::Range;

/// Lines, one after the other.
#[derive(Default)]
pub(super) struct Lines {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// How many octets they have.
    pub(super) fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Adds one.
    pub(super) fn add(&mut self, line: &[u8]) {
        self.octets.extend_from_slice(line);
        self.ends.push(self.octets.len());
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts
            .zip(&self.ends)
            .filter_map(|(start, end)| self.octets.get(*start..*end))
    }

    /// Forgets them, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }
}

/// The lines of all threads, of those that are next the earliest first: each thread's stay in their order, even where the
/// clock was set back.
pub(super) fn in_order<'a>(
    threads: &'a [Lines],
    time: &Range<usize>,
    sorted: &'a mut Vec<u8>,
) -> &'a [u8] {
    let mut filled = threads.iter().filter(|lines| !lines.ends.is_empty());
    match (filled.next(), filled.next()) {
        (None, _) => &[],
        (Some(only), None) => &only.octets,
        _ => {
            sorted.clear();
            let mut queues: Vec<_> = threads.iter().map(Lines::each).collect();
            let mut heads: Vec<_> = queues.iter_mut().map(Iterator::next).collect();
            while let Some((line, at)) = (0..)
                .zip(&heads)
                .filter_map(|(at, head)| Some(((*head)?, at)))
                .min_by_key(|(line, _)| line.get(time.clone()))
            {
                sorted.extend_from_slice(line);
                let next = queues.get_mut(at).and_then(Iterator::next);
                if let Some(head) = heads.get_mut(at) {
                    *head = next;
                }
            }
            sorted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_lines_are_merged_and_stay_in_their_order() {
        let lines = |all: &[&str]| {
            let mut lines = Lines::default();
            for line in all {
                lines.add(line.as_bytes());
            }
            lines
        };
        let ours = |threads: &[Lines]| {
            let mut sorted = b"of before".to_vec();
            String::from_utf8(in_order(threads, &(0..6), &mut sorted).to_vec()).expect("text")
        };
        assert_eq!(ours(&[]), "");
        assert_eq!(ours(&[lines(&[]), lines(&["000001 a\n"])]), "000001 a\n");
        // The first one's clock was set back, and one line has no time.
        let first = lines(&["000005 a\n", "000001 b\n", "000007 c\n"]);
        let second = lines(&["000002 d\n", "000006 e\n\n", "f\n", "000009 g\n"]);
        assert_eq!(
            ours(&[first, lines(&[]), second]),
            "000002 d\n000005 a\n000001 b\n000006 e\n\nf\n000007 c\n000009 g\n"
        );
    }
}
