"""Labels are short, no two are the same, and say what differs where there is room for it."""

from ratesmith.strategy.labels import LONGEST, labels

COMMON = ['step(every="30%")', 'multistep(milestones=["50%", "75%"])', "cosine()", 'warmup("5%") >> wsd(decay="20%")']


def test_a_short_text_is_its_own_label_and_a_long_one_its_names_in_the_given_order():
    assert labels(COMMON) == {
        'step(every="30%")': 'step(every="30%")',
        'multistep(milestones=["50%", "75%"])': "multistep(…)",
        "cosine()": "cosine()",
        'warmup("5%") >> wsd(decay="20%")': "warmup(…) >> wsd(…)",
    }
    assert list(labels(COMMON)) == COMMON


def test_texts_of_the_same_names_keep_the_options_that_differ():
    shares = [f'warmup("5%") >> wsd(decay="{share}%")' for share in (10, 20)]
    assert list(labels(shares).values()) == [f'warmup(…) >> wsd(decay="{share}%")' for share in (10, 20)]
    missing = labels(["plateau(factor=0.3, patience=1)", "plateau(factor=0.3, patience=1, cooldown=2)"])
    assert list(missing.values()) == ["plateau(…)", "plateau(cooldown=2, …)"]


def test_a_label_keeps_the_optimizer_before_it():
    texts = [f'{name}warmup("5%") >> wsd(decay="{share}%")' for name in ("", "muon: ") for share in (10, 20)]
    assert list(labels(texts).values()) == [
        'warmup(…) >> wsd(decay="10%")',
        'warmup(…) >> wsd(decay="20%")',
        'muon: warmup(…) >> wsd(decay="10%")',
        'muon: warmup(…) >> wsd(decay="20%")',
    ]


def test_where_there_is_no_room_for_what_differs_labels_are_numbered():
    texts = [f'multistep(milestones=["50%", "75%", "9{digit}%"], gamma=0.{digit})' for digit in range(3)]
    assert list(labels([*texts, "multistep(…) #2"]).values()) == [
        "multistep(…) #1",
        "multistep(…) #3",
        "multistep(…) #4",
        "multistep(…) #2",
    ]


def test_a_name_that_is_no_notation_is_cut_and_a_long_sequence_left_out_in_the_middle():
    names = [f"what somebody calls a candidate of theirs, number {number}" for number in range(2)]
    assert list(labels(names).values()) == [f"what somebody calls a candidate of thei… #{number}" for number in (1, 2)]
    text = "Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.1, 190) >> Constant(factor=0.1) >> Ramp(1.0, 0.1, 190)"
    assert labels([text])[text] == "Ramp(…) >> … >> Ramp(…)"


def test_labels_fit_where_texts_do_not_and_no_two_are_the_same():
    texts = [f"{'0.5 * ' * (3 + place % 3)}cosine(final=0.{place})" for place in range(60)]
    texts += [f'warmup({place}, shape="cosine") >> inverse_time(gamma=0.{place})' for place in range(60)]
    shown = labels(texts)
    assert len(set(shown.values())) == len(texts)
    assert max(map(len, shown.values())) <= LONGEST + len(" #60")


def test_the_larger_of_two_is_labelled_as_it_is_written():
    texts = [f"max(warmup(500, start=0.1), linear(final=0.{share}))" for share in (1, 2)]
    assert list(labels(texts).values()) == [f"max(warmup(…), linear(final=0.{share}))" for share in (1, 2)]
