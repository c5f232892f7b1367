//! Names to addresses, anew for every look.

use std::net::IpAddr;

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{TokioResolver, system_conf};
use parallax_model::{ErrorKind, Family};

use super::failure::Failure;

/// Most addresses of a name that a look tries.
pub(super) const ADDRESSES_MAX: usize = 6;

/// The system's way of resolving (`/etc/resolv.conf`, `/etc/hosts`), without its memory.
#[derive(Debug)]
pub(super) struct Resolver(Result<TokioResolver, String>);

impl Resolver {
    /// Reads the system's configuration. One that cannot be read fails the looks that need it, and
    /// only those.
    pub(super) fn of_system() -> Self {
        Self(build().map_err(|e| format!("cannot read the system's resolver configuration: {e}")))
    }

    /// The addresses of `name`, IPv4 first, at most [`ADDRESSES_MAX`], at least one.
    pub(super) async fn addresses(
        &self,
        name: &str,
        family: Family,
    ) -> Result<Vec<IpAddr>, Failure> {
        let resolver = self.0.as_ref().map_err(|why| Failure::new(ErrorKind::Internal, why))?;
        let found = resolver.lookup_ip(name).await.map_err(|e| explain(&e, name))?;
        let wanted = |ip: &IpAddr| match family {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        };
        let mut addresses: Vec<IpAddr> = found.iter().filter(wanted).collect();
        // a machine without IPv6 has one failure less to go through, one with it loses nothing
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            let of = match family {
                Family::Any => "",
                Family::V4 => "IPv4 ",
                Family::V6 => "IPv6 ",
            };
            let why = format!("{name} has no {of}address");
            return Err(Failure::new(ErrorKind::DnsNxdomain, why));
        }
        Ok(addresses)
    }
}

/// The servers the system asks.
pub(super) fn system_servers() -> Result<Vec<IpAddr>, Failure> {
    let (config, _) = system_conf::read_system_conf().map_err(|e| {
        let why = format!("cannot read the system's resolver configuration: {e}");
        Failure::new(ErrorKind::Internal, why)
    })?;
    Ok(config.name_servers().iter().map(|server| server.ip).collect())
}

fn build() -> Result<TokioResolver, NetError> {
    let (config, mut options): (ResolverConfig, _) = system_conf::read_system_conf()?;
    // every look asks anew
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    let mut builder = TokioResolver::builder_with_config(
        config,
        hickory_resolver::net::runtime::TokioRuntimeProvider::default(),
    );
    *builder.options_mut() = options;
    builder.build()
}

fn explain(error: &NetError, name: &str) -> Failure {
    let failure = |kind, what: &str| Failure::new(kind, format!("{name}: {what}"));
    if matches!(error, NetError::Timeout) {
        return failure(ErrorKind::DnsTimeout, "the resolver does not answer");
    }
    let code = if let NetError::Dns(DnsError::NoRecordsFound(none)) = error {
        Some(none.response_code)
    } else if let NetError::Dns(DnsError::ResponseCode(code)) = error {
        Some(*code)
    } else {
        None
    };
    match code {
        Some(code) => {
            let (kind, what) = rcode(code);
            failure(kind.unwrap_or(ErrorKind::DnsNxdomain), &what)
        }
        None => failure(ErrorKind::DnsServfail, &format!("the resolver failed: {error}")),
    }
}

/// What a response code says; no kind for "no error".
pub(super) fn rcode(code: ResponseCode) -> (Option<ErrorKind>, String) {
    if code == ResponseCode::NoError {
        (None, "has no address".into())
    } else if code == ResponseCode::NXDomain {
        (Some(ErrorKind::DnsNxdomain), "no such name".into())
    } else if code == ResponseCode::ServFail {
        (Some(ErrorKind::DnsServfail), "the resolver says SERVFAIL".into())
    } else if code == ResponseCode::Refused {
        (Some(ErrorKind::DnsRefused), "the resolver refuses to answer".into())
    } else {
        (Some(ErrorKind::DnsServfail), format!("the resolver says {code}"))
    }
}
