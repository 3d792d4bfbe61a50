//! The shop on real Postgres: what its services do with data, and what the auditor sees.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod barrier;
mod definition;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod health;
#[cfg(test)]
mod picture;
#[cfg(test)]
mod play;
#[cfg(test)]
mod program;
#[cfg(test)]
mod services;
