//! How to measure; the same flags and the same defaults for everybody who takes part.

use clap::Args;

/// How to measure.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Sagas in flight, several numbers one after the other
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_values_t = [64, 512])]
    pub in_flight: Vec<usize>,
    /// Rounds of each; the median counts
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    pub rounds: usize,
    /// Length of a round in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub seconds: u64,
    /// Load before the first round of each number in flight, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub warm_up: u64,
    /// Bytes of the saga's input, and of what each step is sent
    #[arg(long, value_name = "BYTES", default_value_t = 200)]
    pub ballast: usize,
}

impl Arguments {
    /// The flags that give these arguments, for another program that takes them.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let in_flight: Vec<String> = self.in_flight.iter().map(ToString::to_string).collect();
        vec![
            format!("--in-flight={}", in_flight.join(",")),
            format!("--rounds={}", self.rounds),
            format!("--seconds={}", self.seconds),
            format!("--warm-up={}", self.warm_up),
            format!("--ballast={}", self.ballast),
        ]
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn flags_are_read_back_as_they_were() {
        let line = "program --in-flight 1,20 --rounds 5 --seconds 6 --warm-up 7 --ballast 8";
        let arguments = Program::parse_from(line.split(' ')).arguments;
        let flags = arguments.flags();
        let program = std::iter::once("program".to_owned()).chain(flags.clone());
        assert_eq!(Program::parse_from(program).arguments.flags(), flags);
        assert_eq!(flags[0], "--in-flight=1,20");
    }
}
