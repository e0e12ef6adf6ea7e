"""A renderer of hands: exact joints, part maps and depth, from a distilled mesh and panoramas."""
