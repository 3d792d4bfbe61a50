//! What a process has used: processor time and memory, as the kernel counts them in `/proc`.
//!
//! Linux alone has these files; elsewhere the answer is an error. Nothing is estimated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;

/// What one process, or a tree of them, has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all threads, in steps of one clock tick (10 ms).
    pub cpu: Duration,
    /// Resident memory. In a tree, memory that processes share is counted once for each.
    pub rss_bytes: u64,
}

/// What one process has used.
///
/// # Errors
///
/// When there is no such process, or no `/proc`.
pub fn usage(pid: u32) -> Result<Usage, Error> {
    let stat = Stat::read(pid)?;
    Ok(Usage {
        cpu: ticks(stat.own_ticks),
        rss_bytes: resident_bytes(pid)?,
    })
}

/// What a process and all its descendants have used, those included that it has waited for.
///
/// Right for Postgres, which is a process per connection.
///
/// # Errors
///
/// When there is no such process, or no `/proc`. Descendants that end meanwhile are left out.
pub fn usage_of_tree(pid: u32) -> Result<Usage, Error> {
    let root = Stat::read(pid)?;
    let mut sum = root.own_ticks + root.waited_ticks;
    let mut rss_bytes = resident_bytes(pid)?;
    for child in descendants(pid)? {
        if let (Ok(stat), Ok(bytes)) = (Stat::read(child), resident_bytes(child)) {
            sum += stat.own_ticks + stat.waited_ticks;
            rss_bytes += bytes;
        }
    }
    Ok(Usage {
        cpu: ticks(sum),
        rss_bytes,
    })
}

/// The living descendants of a process, in no particular order, without itself.
///
/// # Errors
///
/// When there is no `/proc`.
pub fn descendants(pid: u32) -> Result<Vec<u32>, Error> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let proc = Path::new("/proc");
    for entry in proc.read_dir().map_err(Error::path("list", proc))? {
        let name = entry.map_err(Error::path("list", proc))?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Ok(stat) = Stat::read(id) {
            children.entry(stat.parent).or_default().push(id);
        }
    }
    let mut found = children.remove(&pid).unwrap_or_default();
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        found.extend(children.remove(parent).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// The fields of `/proc/<pid>/stat` that are needed here; see proc(5).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    waited_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self, Error> {
        let file = file_of(pid, "stat");
        let text = std::fs::read_to_string(&file).map_err(Error::path("read", &file))?;
        Self::parse(&text).ok_or_else(|| unreadable(&file))
    }

    fn parse(text: &str) -> Option<Self> {
        // The name may hold blanks and brackets: the fields begin after the last bracket.
        let (_, fields) = text.rsplit_once(')')?;
        // Field 3 of proc(5) is the first one here.
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            own_ticks: number(14)? + number(15)?,
            waited_ticks: number(16)? + number(17)?,
        })
    }
}

fn resident_bytes(pid: u32) -> Result<u64, Error> {
    let file = file_of(pid, "statm");
    let text = std::fs::read_to_string(&file).map_err(Error::path("read", &file))?;
    let pages: Option<u64> = text
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse().ok());
    let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
    pages
        .map(|pages| pages.saturating_mul(page_bytes))
        .ok_or_else(|| unreadable(&file))
}

fn file_of(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

fn unreadable(file: &Path) -> Error {
    Error::path("make sense of", file)(std::io::ErrorKind::InvalidData.into())
}

fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 50 6 70 8 20 0 1 0 99 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                parent: 3,
                own_ticks: 56,
                waited_ticks: 78
            }
        );
    }

    #[test]
    fn this_process_uses_memory_and_work_costs_time() {
        let me = std::process::id();
        let before = usage(me).unwrap();
        assert!(before.rss_bytes > 100_000, "{before:?}");
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let mut sum = 0_u64;
        while usage(me).unwrap().cpu <= before.cpu {
            assert!(std::time::Instant::now() < deadline, "no time was counted");
            sum = (0..1_000_000).fold(sum, u64::wrapping_add);
            std::hint::black_box(sum);
        }
    }

    #[test]
    fn a_child_is_among_the_descendants() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(
            descendants(std::process::id())
                .unwrap()
                .contains(&child.id())
        );
        let tree = usage_of_tree(std::process::id()).unwrap();
        assert!(tree.rss_bytes > usage(std::process::id()).unwrap().rss_bytes / 2);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
