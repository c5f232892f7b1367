//! Bounds of everything that travels. Both ends hold to them; a peer that does not is refused.

/// Most results in a batch: enough that framing costs nothing, small enough that one lost frame of
/// a spool is seconds of one agent's looks.
pub const BATCH_RESULTS_MAX: usize = 1000;

/// Largest encoded batch in bytes. 1000 results of ordinary size take about 40 KB; one of a thousand
/// failures with full details and as many clues as go in stays below this.
pub const BATCH_BYTES_MAX: usize = 960 * 1024;

/// Most bytes of clues in a batch. They only help: a look beyond travels without.
pub const BATCH_CLUES_BYTES_MAX: usize = 384 * 1024;

/// Largest message a collector decodes, in bytes.
pub const MESSAGE_FROM_AGENT_BYTES_MAX: usize = 1024 * 1024;

/// Largest message an agent decodes, in bytes: an assignment of 10,000 targets takes about 2 MB.
pub const MESSAGE_FROM_COLLECTOR_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most targets in an assignment.
pub const ASSIGNMENT_TARGETS_MAX: usize = 20_000;

/// Most targets in one request to look at once.
pub const PROBE_NOW_TARGETS_MAX: usize = 1000;

/// Most spans in one ack.
pub const ACK_SPANS_MAX: usize = 1000;
