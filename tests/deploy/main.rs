//! What `Dockerfile`, `docker-compose.yml` and `deploy/` say, checked without a container engine.
//!
//! The scripts run for real, the database script on a real Postgres. The two files are read, and
//! compared with the programs, the paths and the packages of this repository. Every check is tried
//! on a text with one mistake, so that a check that finds nothing is a failure too.

#[cfg(test)]
mod compose;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod dockerfile;
#[cfg(test)]
mod files;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod secrets;
