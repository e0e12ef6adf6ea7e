from hpe.data.h36m_protocol import protocol_words

FIVE = ["S1", "S5", "S6", "S7", "S8"]


def test_the_split_of_most_work_is_named_as_papers_do():
    words = protocol_words(FIVE, ["S9", "S11"], every=1)
    assert words.startswith("scored on S9, S11; the training split has S1, S5, S6, S7, S8. With")
    assert '"Protocol #1" to Martinez et al. and "Protocol 2" to Sun and Moon et al.' in words


def test_the_split_with_nine_in_training_is_named_too():
    words = protocol_words([*FIVE, "S9"], ["S11"], every=64)
    assert "; one of 64 pictures. With pa_mpjpe_mm" in words
    assert '"Protocol 1" to Sun and Moon et al.' in words


def test_no_other_split_has_a_papers_name():
    for trained, scored in ((FIVE[:-1], ["S9", "S11"]), (FIVE[:-1], ["S8"]), (FIVE, ["S9"])):
        words = protocol_words(trained, scored, every=1)
        assert "Protocol" not in words
        assert words.endswith("Papers have no name for it.")


def test_subjects_that_names_do_not_say_are_told():
    assert protocol_words([""], ["S11"], every=1).startswith(
        "scored on S11; the training split has subjects without names."
    )
