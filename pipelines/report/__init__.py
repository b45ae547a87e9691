"""The stages `page`, a self-contained page of one system, and `report`, the index of all of them.

`inputs` reads what the other stages wrote; `readings`, `curves`, `published` and `lineage` turn it into what
`page` shows. With the page goes a card (`cards`); from the cards `leaderboard` and `index` make the way in.
`templates` and `plane` also serve the page of `gm-keras game`.
"""
