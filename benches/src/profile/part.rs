//! To which part of the gateway a sample of its time belongs, by what ran when it was taken.

use serde::Serialize;

/// A part of the gateway, or of what it stands on, that a reader has heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The kernel, reading and writing sockets, with all of TCP; on loopback, with the other side's half of it too.
    Sockets,
    /// The kernel, putting threads to sleep and waking them: `epoll_wait`, `futex`, switching.
    Waiting,
    /// The kernel, for whatever else.
    OtherKernel,
    /// tokio: its scheduler, its timers, its sockets.
    Tokio,
    /// hyper and the crates of HTTP that it stands on.
    Http,
    /// auth-core: verdicts.
    AuthCore,
    /// The gateway's own work.
    Gateway,
    /// The access log's thread, with what the kernel does for it.
    AccessLog,
    /// Taking, giving back and copying memory.
    Memory,
    /// Hashes and signatures (aws-lc).
    Crypto,
    /// What is remembered of tokens, and found again (moka).
    Remembered,
    /// Everything else.
    Rest,
}

/// A function that ran, and how it came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// The name of its thread.
    pub(super) thread: String,
    /// The function; `[unknown]` if it has no name.
    pub(super) symbol: String,
    /// The file that it is in; `[kernel.kallsyms]` for the kernel.
    pub(super) object: String,
    /// In the kernel, who called it, the nearest first.
    pub(super) callers: Vec<String>,
}

/// The thread of the access log.
const ACCESS_LOG: &str = "access log";

/// Crates by the part that they are.
const CRATES: [(Part, &[&str]); 6] = [
    (Part::Tokio, &["tokio", "tokio_util", "mio", "futures_util", "futures_core", "tower", "tower_service", "slab"]),
    (Part::Http, &["hyper", "hyper_util", "httparse", "http", "http_body", "http_body_util", "httpdate", "bytes"]),
    (Part::AuthCore, &["auth_core", "jsonwebtoken", "base64", "secrecy", "zeroize"]),
    (Part::Gateway, &["gateway"]),
    (Part::Crypto, &["aws_lc_rs"]),
    (Part::Remembered, &["moka", "crossbeam_epoch", "crossbeam_channel", "tagptr"]),
];

/// How functions of C begin that take, give back, copy or compare memory.
const MEMORY: [&str; 12] = [
    "mi_",
    "_mi_",
    "__rust_alloc",
    "__rust_dealloc",
    "__rust_realloc",
    "__rustc",
    "malloc",
    "free",
    "mem",
    "__mem",
    "bcmp",
    "__bcmp",
];

/// How functions of aws-lc begin, besides those that carry its name.
const CRYPTO: [&str; 16] = [
    "sha", "SHA", "bn_", "BN_", "rsa", "RSA", "ecp_", "EC", "EVP_", "aes", "AES", "gcm_", "chacha", "x25519",
    "ed25519", "bignum_",
];

/// System calls by the part that they are for.
const CALLS: [(Part, &[&str]); 2] = [
    (
        Part::Sockets,
        &[
            "read",
            "readv",
            "recvfrom",
            "recvmsg",
            "write",
            "writev",
            "sendto",
            "sendmsg",
            "accept4",
            "connect",
            "shutdown",
            "close",
            "socket",
            "setsockopt",
            "getsockopt",
        ],
    ),
    (
        Part::Waiting,
        &["epoll_wait", "epoll_pwait", "epoll_ctl", "futex", "sched_yield", "nanosleep", "clock_nanosleep"],
    ),
];

/// How the kernel's functions for system calls begin, on one processor or another.
const ENTRIES: [&str; 8] =
    ["__x64_sys_", "__arm64_sys_", "__ia32_sys_", "__se_sys_", "__do_sys_", "__sys_", "ksys_", "do_"];

/// How the kernel's functions of the network begin.
const NETWORK: [&str; 8] = ["tcp_", "__tcp_", "sock_", "inet_", "ip_", "__ip_", "net_rx_", "skb_"];

/// How those begin that choose what runs.
const SWITCHING: [&str; 5] = ["schedule", "__schedule", "exit_to_user_mode_loop", "ep_", "try_to_wake_up"];

impl Part {
    /// Every part.
    pub const ALL: [Self; 12] = [
        Self::Sockets,
        Self::Waiting,
        Self::OtherKernel,
        Self::Tokio,
        Self::Http,
        Self::AuthCore,
        Self::Gateway,
        Self::AccessLog,
        Self::Memory,
        Self::Crypto,
        Self::Remembered,
        Self::Rest,
    ];

    /// What it is, for a reader.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sockets => "kernel: sockets and TCP",
            Self::Waiting => "kernel: sleeping and waking",
            Self::OtherKernel => "kernel: the rest",
            Self::Tokio => "tokio",
            Self::Http => "hyper, HTTP parsing",
            Self::AuthCore => "auth-core: verdicts",
            Self::Gateway => "the gateway's own work",
            Self::AccessLog => "the access log's thread",
            Self::Memory => "memory: taking and copying",
            Self::Crypto => "cryptography (aws-lc)",
            Self::Remembered => "what is remembered (moka)",
            Self::Rest => "the rest",
        }
    }

    /// The part to which `sample` belongs.
    pub(super) fn of(sample: &Sample) -> Self {
        if sample.thread.starts_with(ACCESS_LOG) {
            return Self::AccessLog;
        }
        if sample.object.starts_with("[kernel") || sample.object.starts_with("[guest.kernel") {
            return kernel(sample);
        }
        let symbol = &*sample.symbol;
        if let Some(part) = roots(symbol).find_map(of_crate) {
            return part;
        }
        if symbol.contains("aws_lc") {
            return Self::Crypto;
        }
        let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| symbol.starts_with(beginning));
        if begins(&MEMORY) || symbol.contains("alloc::raw_vec") {
            Self::Memory
        } else if !symbol.contains("::") && begins(&CRYPTO) {
            Self::Crypto
        } else {
            Self::Rest
        }
    }
}

/// By the system call that it is for. Where none is seen, since the compiler put it into another function or something came
/// from outside, by what it does.
fn kernel(sample: &Sample) -> Part {
    let mut chain = [&sample.symbol].into_iter().chain(&sample.callers).map(|symbol| &**symbol);
    let call = |symbol: &str| {
        let call = ENTRIES.iter().find_map(|prefix| symbol.strip_prefix(prefix))?;
        CALLS.iter().find(|(_, calls)| calls.contains(&call)).map(|(part, _)| *part)
    };
    let begins = |symbol: &str, beginnings: &[&str]| beginnings.iter().any(|beginning| symbol.starts_with(beginning));
    let doing = |symbol: &str| match symbol {
        symbol if begins(symbol, &NETWORK) => Some(Part::Sockets),
        symbol if begins(symbol, &SWITCHING) => Some(Part::Waiting),
        _ => None,
    };
    chain.clone().find_map(call).or_else(|| chain.find_map(doing)).unwrap_or(Part::OtherKernel)
}

fn of_crate(name: &str) -> Option<Part> {
    CRATES.iter().find(|(_, crates)| crates.contains(&name)).map(|(part, _)| *part)
}

/// The crates that a symbol names, in their order: `<hyper::x::Y<gateway::Z> as core::fmt::Debug>::fmt` names three.
fn roots(symbol: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    symbol.match_indices("::").filter_map(move |(at, _)| {
        let before = &symbol[..at];
        let begin = before.rfind(|c| !is_part(c)).map_or(0, |end| end + 1);
        // Not a module or a type further down the path, nor what follows a closing bracket.
        (begin < at && !before[..begin].ends_with(':')).then(|| &before[begin..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(symbol: &str) -> Sample {
        Sample {
            thread: "worker-0".to_owned(),
            symbol: symbol.to_owned(),
            object: "/x/gateway".to_owned(),
            callers: Vec::new(),
        }
    }

    fn in_kernel(symbol: &str, callers: &[&str]) -> Sample {
        let callers = callers.iter().map(ToString::to_string).collect();
        Sample { object: "[kernel.kallsyms]".to_owned(), callers, ..user(symbol) }
    }

    #[test]
    fn a_function_belongs_to_the_crate_that_it_is_of() {
        let check = |symbol: &str, expected| assert_eq!(Part::of(&user(symbol)), expected, "{symbol}");
        check("hyper::proto::h1::dispatch::Dispatcher<D,Bs,I,T>::poll_read_head", Part::Http);
        check("<hyper::proto::h1::Conn<gateway::x::Y> as core::fmt::Debug>::fmt", Part::Http);
        check("<http::header::map::HeaderMap<T> as core::clone::Clone>::clone", Part::Http);
        check("httparse::simd::runtime::match_uri_vectored", Part::Http);
        check("tokio::runtime::scheduler::current_thread::Context::park", Part::Tokio);
        check("mio::poll::Poll::poll", Part::Tokio);
        check("auth_core::session::Sessions::unseal", Part::AuthCore);
        check("<&mut serde_json::de::Deserializer<R> as serde_core::de::Deserializer>::deserialize_str", Part::Rest);
        check("gateway::handle::handle::{{closure}}", Part::Gateway);
        check("core::ptr::drop_in_place<gateway::context::RequestContext>", Part::Gateway);
        check("core::ptr::drop_in_place<alloc::vec::Vec<http::header::map::Bucket<T>>>", Part::Http);
        check("moka::sync::base_cache::BaseCache<K,V,S>::get_with_hash", Part::Remembered);
        check("alloc::sync::Arc<T,A>::drop_slow", Part::Rest);
        check("[unknown]", Part::Rest);
        check("sqlite3VdbeExec", Part::Rest);
    }

    #[test]
    fn what_is_no_rust_belongs_to_what_it_does() {
        let check = |symbol: &str, expected| assert_eq!(Part::of(&user(symbol)), expected, "{symbol}");
        check("mi_free", Part::Memory);
        check("_mi_page_malloc_zero", Part::Memory);
        check("__memmove_avx_unaligned_erms", Part::Memory);
        check("__rustc::__rust_alloc", Part::Memory);
        check("<alloc::raw_vec::RawVecInner>::finish_grow", Part::Memory);
        check("aws_lc_0_47_0_EVP_DigestUpdate", Part::Crypto);
        check("sha256_block_data_order_avx", Part::Crypto);
        check("bn_mul4x_mont_gather5", Part::Crypto);
    }

    #[test]
    fn the_kernel_works_for_the_call_that_it_is_in() {
        let check = |symbol: &str, callers: &[&str], expected| {
            assert_eq!(Part::of(&in_kernel(symbol, callers)), expected, "{symbol} {callers:?}");
        };
        check("_raw_spin_lock", &["tcp_sendmsg", "sock_writev", "__x64_sys_writev", "do_syscall_64"], Part::Sockets);
        check("schedule", &["ep_poll", "do_epoll_wait", "__x64_sys_epoll_wait", "do_syscall_64"], Part::Waiting);
        check("__x64_sys_futex", &["do_syscall_64"], Part::Waiting);
        check("getrandom_fill", &["__x64_sys_getrandom", "do_syscall_64"], Part::OtherKernel);
        check("__schedule", &["__arm64_sys_epoll_pwait", "el0_svc"], Part::Waiting);
        check("clear_page", &["handle_mm_fault", "asm_exc_page_fault"], Part::OtherKernel);
        check("tcp_v4_rcv", &["net_rx_action", "handle_softirqs", "asm_sysvec_apic_timer"], Part::Sockets);
        check("entry_SYSCALL_64", &[], Part::OtherKernel);
        check("vfs_writev", &["do_writev", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"], Part::Sockets);
        check("do_syscall_64", &["entry_SYSCALL_64_after_hwframe"], Part::OtherKernel);
        check("finish_task_switch.isra.0", &["__schedule", "exit_to_user_mode_loop", "do_syscall_64"], Part::Waiting);
        check("_raw_spin_unlock", &["try_to_wake_up", "wake_up_q", "futex_wake", "__x64_sys_futex"], Part::Waiting);
    }

    #[test]
    fn the_access_log_has_a_thread_of_its_own() {
        let line = Sample { thread: "access log".to_owned(), ..user("gateway::telemetry::access::AccessLine::human") };
        assert_eq!(Part::of(&line), Part::AccessLog);
        let write = Sample { thread: "access log".to_owned(), ..in_kernel("ext4_write", &["__x64_sys_write"]) };
        assert_eq!(Part::of(&write), Part::AccessLog);
    }
}
