"""A trial whose messages are kept, for tests of what trains by it in this process."""

from ratesmith import ActiveTrial


class Kept:
    """A channel that keeps what is said, and says when to stop."""

    def __init__(self, stop_at=None):
        self.said, self.stop_at = [], stop_at

    def ask(self, message):
        self.said.append(message)
        stops = message["kind"] == "report" and message["step"] == self.stop_at
        return {"do": "stop", "reason": "enough"} if stops else {"do": "go"}

    @property
    def reports(self):
        """Step and measurements of every report."""
        return [(message["step"], message["metrics"]) for message in self.said if message["kind"] == "report"]

    @property
    def losses(self):
        """All training losses in order."""
        return [loss for message in self.said for loss in message.get("losses", ())]


def trial(steps=21, schedule="warmup(4) >> cosine()", lr=0.01, seed=3, stop_at=None, **more):
    """Return a trial, and the channel that keeps its messages."""
    kept = Kept(stop_at)
    return ActiveTrial(lr=lr, schedule=schedule, steps=steps, seed=seed, channel=kept, **more), kept


def rates(trial):
    """Return the rates of a trial's updates."""
    return [trial.lr * trial.factor(step) for step in range(trial.steps)]
