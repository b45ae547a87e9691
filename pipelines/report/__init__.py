"""The stage `report`: one self-contained page with every system that was evaluated.

`inputs` reads what the other stages wrote; `leaderboard`, `readings`, `curves`, `published` and
`lineage` turn it into what the page shows; `page` puts it together with `templates/`.
"""
