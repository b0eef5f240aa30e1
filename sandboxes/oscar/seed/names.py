"""Names of people and places, and the texts of the shop's own pages."""

from __future__ import annotations

COUNTRIES = {
    "GB": "United Kingdom", "IE": "Ireland", "FR": "France", "DE": "Germany", "NL": "Netherlands", "SE": "Sweden",
    "US": "United States",
}  # fmt: skip

STAFF = (
    ("Winifred Ashby", "manager"),
    ("Gregor Brandt", "partner"),
    ("Lena Quist", "manager"),
    ("Osman Field", "manager"),
)

NAMES = (
    "Ada Merriweather", "Bram Okafor", "Celia Norrgard", "Dewi Prosser", "Elsie Tanaka", "Farid Haddon", "Greta Lowry",
    "Hamish Vale", "Imogen Castle", "Jonas Petrie", "Keziah Boone", "Linus Hartley", "Mabel Sorensen",
    "Nadia Whitlock",
    "Orla Finnegan", "Piers Adeyemi", "Quentin Marsh", "Rosalind Beck", "Stellan Wray", "Tamsin Greer", "Ulrich Dane",
    "Verity Amos", "Wilfred Nakamura", "Xenia Popov", "Yusuf Carrow", "Zelda Birch", "Agnes Thorpe", "Basil Menzies",
    "Cora Lindqvist", "Dorian Hale", "Edith Mbeki", "Felix Garrow", "Georgia Pell", "Hugo Ravn", "Iris Coldwell",
    "Jasper Singh", "Kit Hollis", "Leonie Fabre", "Magnus Teal", "Nell Barrow", "Otis Greenway", "Petra Vos",
    "Rufus Dunne", "Saskia Moor", "Theo Abara", "Una Keane", "Viggo Strand", "Willa Penrose", "Yvette Leroy",
    "Zachary Holt", "Amara Stone", "Benedict Shaw", "Clara Eriksen", "Digby Hart", "Esme Rowan", "Fergus Lyle",
    "Gwen Tallis", "Harriet Obi", "Ivo Marchetti", "June Ferris", "Karin Holm", "Lorcan Daly", "Minna Salo",
    "Noel Fairburn",
)  # fmt: skip

STREETS = (
    "Mill Lane", "Station Road", "Chapel Street", "The Green", "Orchard Close", "Canal Walk", "Priory Road",
    "High Street",
    "Fuller’s Yard", "Tannery Row", "Weir Terrace", "Beacon Hill",
)  # fmt: skip

PLACES = (
    ("Hebden Bridge", "West Yorkshire", "HX7 6EU", "GB"), ("Kendal", "Cumbria", "LA9 4BH", "GB"),
    ("Totnes", "Devon", "TQ9 5QQ", "GB"), ("Norwich", "Norfolk", "NR2 1TF", "GB"), ("Stroud", "Gloucestershire",
     "GL5 1QG", "GB"),
    ("Frome", "Somerset", "BA11 1BE", "GB"), ("Whitby", "North Yorkshire", "YO21 3JD", "GB"),
    ("Ludlow", "Shropshire", "SY8 1BB", "GB"), ("Bath", "Somerset", "BA1 5EB", "GB"), ("Lewes", "East Sussex",
     "BN7 2LP", "GB"),
    ("Stirling", "", "FK8 1EA", "GB"), ("Machynlleth", "Powys", "SY20 8EE", "GB"), ("Leeds", "West Yorkshire",
     "LS6 2QB", "GB"),
    ("Bristol", "", "BS6 5JZ", "GB"), ("Kilkenny", "", "R95 XN28", "IE"), ("Rennes", "", "35000", "FR"),
    ("Freiburg", "", "79098", "DE"), ("Utrecht", "", "3512 JC", "NL"), ("Uppsala", "", "753 10", "SE"),
)  # fmt: skip

PAGES = (
    ("/about/", "About us",
     "<p>Thistle &amp; Twine began in 2009 on two trestle tables in a cloth hall. We sell what we use ourselves: yarn "
     "from mills we have visited, paper from a mill that nearly closed, colour from a grinder who will not be "
     "hurried.</p>"),
    ("/delivery/", "Delivery and returns",
     "<p>Parcels leave the yard on working days at four. What you do not like comes back within thirty days, unused; "
     "cut fabric and engraved tools are yours to keep.</p>"),
    ("/workshops/", "Workshops",
     "<p>Saturdays from ten to one, eight people at most: lino in odd months, socks in even ones, mending whenever it "
     "rains.</p>"),
)  # fmt: skip

REVIEWS = (
    (5, "Exactly what I hoped for", "Arrived on a Tuesday, in use by Wednesday. I have already told two friends."),
    (
        5,
        "The real thing",
        "You notice the difference the moment you pick it up. I shall not go back to the cheap kind.",
    ),
    (5, "A joy", "Well made, well packed, and a little handwritten note in the box."),
    (
        4,
        "Very good, slow parcel",
        "Nothing wrong with it at all. The carrier took six days, which is hardly the shop’s fault.",
    ),
    (4, "Solid", "Does what it says. I would have liked a bigger one."),
    (4, "Nearly perfect", "One star off because the colour on the screen is a touch warmer than in daylight."),
    (3, "Fine", "It is fine. My old one was a little better, but they no longer make it."),
    (3, "Mixed feelings", "Good for practice, less so for the piece you mean to keep."),
    (2, "Not for me", "Stiffer than I expected, and the smell took a week to go."),
    (1, "Came damaged", "A corner was crushed. They sent another, but still."),
    (5, "Bought it twice", "The first went to my sister, so I had to order another."),
    (4, "Good value", "I compared three shops and this was the best of the bunch."),
)
REMARKS = (
    "Please pack it as a present.", "Customer rang: would like it before the weekend.",
    "Asked us to leave it in the shed.",
    "Paid by bank transfer, checked.", "Second parcel, the first was lost.", "Colour substituted by agreement.",
)  # fmt: skip
