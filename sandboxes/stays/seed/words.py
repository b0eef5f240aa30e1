"""Hand-written words the homes, reviews and conversations are made of."""

from __future__ import annotations

# kind -> (what titles call it, dollars a night low and high, guests low and high)
KINDS: dict[str, tuple[tuple[str, ...], tuple[int, int], tuple[int, int]]] = {
    "apartment": (("flat", "apartment", "two-room flat", "corner apartment"), (78, 190), (2, 5)),
    "loft": (("loft", "studio loft", "workshop loft"), (95, 210), (2, 4)),
    "studio": (("studio", "garden studio", "artist's studio"), (58, 120), (1, 2)),
    "townhouse": (("townhouse", "terrace house", "narrow house"), (135, 310), (4, 8)),
    "house": (("house", "family house", "bungalow"), (120, 290), (3, 8)),
    "villa": (("villa", "garden villa"), (220, 460), (5, 10)),
    "cottage": (("cottage", "stone cottage", "gardener's cottage"), (92, 195), (2, 5)),
    "cabin": (("cabin", "timber cabin", "writer's cabin"), (88, 185), (2, 5)),
    "guesthouse": (("guesthouse", "garden house", "coach house"), (74, 165), (2, 4)),
    "houseboat": (("houseboat", "barge"), (130, 240), (2, 4)),
}

ADJECTIVES: tuple[str, ...] = (
    "Sunny", "Quiet", "Blue-door", "Whitewashed", "Book-lined", "Top-floor", "Bright", "Restored", "Little", "Airy",
    "Old", "Green-shuttered", "Plain and lovely", "High-ceilinged", "Tucked-away", "Warm", "Tiled", "Wood-panelled",
    "Walled", "Hidden", "Light-filled", "Family-run", "Slow", "Painted", "Wide-windowed",
)  # fmt: skip

OPENINGS: tuple[str, ...] = (
    "We bought this {noun} from a carpenter, and it shows in every cupboard.",
    "A {noun} for people who like a good table and a window to sit at.",
    "My grandmother lived in this {noun} for fifty years; we kept her tiles and changed the plumbing.",
    "The {noun} is small on purpose: everything in it is used.",
    "Mornings are the best part here: the sun reaches the {noun} before anything else on the street.",
    "We live next door and look after the {noun} ourselves.",
    "An architect friend drew this {noun} for us in 2018, and we still find clever corners.",
    "Nothing in this {noun} is precious, so come with children, boots and books.",
)

SENTENCES: tuple[str, ...] = (
    "The bed is firm, the towels are thick and the water is hot at once.",
    "There is a shelf of local cookbooks, and knives that cut.",
    "The street is calm after nine; you will hear a bell or two.",
    "Groceries are four minutes away on foot, good bread is six.",
    "The desk looks out on trees and the wifi reaches it.",
    "We leave coffee, oil, salt and a bottle of something from nearby.",
    "The stairs are steep, as they were meant to be.",
    "Trains and buses stop within ten minutes' walk.",
    "The shower is a proper one, with a window.",
    "On clear evenings the neighbours set chairs outside, and so should you.",
)

RULES: tuple[str, ...] = (
    "No smoking. Quiet after 22:00.",
    "No parties. Shoes off indoors, please.",
    "No smoking, no candles. Please sort the rubbish.",
    "Quiet after 21:00: the neighbours have small children.",
    "No events. Let us know if you bring a dog.",
)

REVIEWS: dict[int, tuple[str, ...]] = {
    5: (
        "Everything was as described, only quieter. We did not want to leave.",
        "The {noun} is a gem. {host} answered every question within minutes.",
        "Spotless, warm, and the best bread of our trip around the corner.",
        "We came for a weekend and extended by two nights. That says it all.",
        "Beautifully kept. The little map that {host} drew for us was worth gold.",
    ),
    4: (
        "Lovely {noun}; the stairs are a workout with luggage.",
        "Very good stay. The shower took a while to warm up, otherwise perfect.",
        "Great place and kind host. A bit of street noise on Saturday.",
        "We would come back, in summer next time.",
    ),
    3: (
        "Fine for a short stay, smaller than it looks in the pictures.",
        "A decent {noun}, though the wifi gave up twice.",
        "Good area. The kitchen could use a second pan.",
    ),
    2: ("The heating did not work on the first night; {host} did send someone.", "Cleaner pictures than rooms, sadly."),
    1: ("We had to wait two hours for the key, in the rain.",),
}

TALKS: tuple[tuple[str, str], ...] = (
    ("Hello! Is there somewhere to leave our bags before check-in?", "Yes, the café downstairs keeps them."),
    ("We arrive quite late, around eleven. Is that a problem?", "Not at all. I will send the key box code."),
    ("Would the kitchen have a coffee grinder?", "It does, and beans from the roaster on the corner."),
    ("Is the bed a double or two singles?", "A double, and there is a single in the small room."),
    ("Our daughter is two. Do you have a high chair?", "We do. I will put it in the kitchen for you."),
    ("Could we check out at noon instead?", "Noon is fine that day, nobody comes after you."),
    ("Is it easy to park on the street?", "After six it is free. Before that, use the garage on the square."),
    ("How far is it to the station on foot?", "Twelve minutes, downhill. Fourteen on the way back."),
    ("Are there good places to run nearby?", "Follow the water to the left; five kilometres there and back."),
    ("Do the windows have blinds? I sleep lightly.", "Shutters, and they close tight."),
)

NOTES: tuple[str, ...] = (
    "Hello! We are visiting friends nearby and would love to stay with you.",
    "A quiet week of writing is the plan. Your desk looks just right.",
    "It is our anniversary. We will be easy guests.",
    "We travel with a well-behaved four-year-old.",
    "Walking boots and early nights: that is us.",
    "Coming for a conference; I will be out most of the day.",
)

LISTS: tuple[str, ...] = ("Spring ideas", "With the family", "Writing weeks", "One day", "Weekends", "By the water")

REVIEWERS: tuple[str, ...] = (
    "Anouk", "Bashir", "Caitlin", "Dmitri", "Elif", "Frieda", "Giorgos", "Harriet", "Ikram", "Joaquín", "Kirsten",
    "Lerato", "Mateus", "Nadia", "Orla", "Pavel", "Rin", "Sunita", "Tadeo", "Ursula", "Viktor", "Wambui",
)  # fmt: skip

# name, city, a line about them; hosts first
HOSTS: tuple[tuple[str, str, str], ...] = (
    ("Tomás Ferreira", "Lisbon", "Tram driver's son, tile collector, early riser."),
    ("Leonor Pinto", "Lisbon", "I teach ceramics and keep four flats in good repair."),
    ("Núria Casals", "Barcelona", "Architect. Ask me about markets."),
    ("Jordi Vidal", "Barcelona", "I cook for a living and host for company."),
    ("Beatrice Conti", "Florence", "Bookbinder in the Oltrarno, third generation."),
    ("Paolo Ricci", "Florence", "Gardens, mostly lemons."),
    ("Signe Holm", "Copenhagen", "I build boats and live on one."),
    ("Morten Dahl", "Copenhagen", "Baker; breakfast is on me."),
    ("Fiona MacRae", "Edinburgh", "Hill walker and reluctant gardener."),
    ("Callum Stewart", "Edinburgh", "I restore sash windows."),
    ("Birta Jónsdóttir", "Reykjavík", "Geologist with a weakness for hot pots."),
    ("Grace Whitlock", "Rhinebeck", "Apples, goats and three cabins."),
    ("Henry Osei", "Kingston", "Printmaker. The river is my commute."),
    ("Loretta Baines", "Savannah", "Born here; I know every square by its oak."),
    ("Walter Pruitt", "Savannah", "Retired bridge engineer."),
    ("Elena Archuleta", "Santa Fe", "Weaver. The kiva is lit from October."),
    ("Dan Kowalski", "Portland", "I grow roses and fix bicycles."),
    ("June Takahashi", "Portland", "Letterpress and tomatoes."),
    ("Ximena Robles", "Oaxaca", "Cook and market guide."),
    ("Haruki Mori", "Kyoto", "Carpenter of old townhouses."),
    ("Aiko Sakamoto", "Kyoto", "I look after two machiya and their gardens."),
    ("Bronwyn Tate", "Hobart", "Marine biologist, keen on oysters."),
    ("Mereana Walker", "Queenstown", "Mountain guide. Boots can be borrowed."),
    ("Piet van der Merwe", "Cape Town", "Wine, wind and wooden windows."),
    ("Thandiwe Nkosi", "Cape Town", "Gardener at the Company's Garden."),
)
GUESTS: tuple[tuple[str, str, str], ...] = (
    ("Maya Okonkwo", "Chicago", "Travels with two notebooks."),
    ("Jonas Lindqvist", "Stockholm", "Trains where possible."),
    ("Priya Raman", "Bengaluru", "Looking for quiet kitchens."),
    ("Zoë Marchetti", "Montréal", "Family of four, one of them a dog."),
    ("Samuel Adeyemi", "Lagos", "Conferences and long walks."),
    ("Hannah Weiss", "Vienna", "Violinist; needs tolerant neighbours."),
    ("Diego Fuentes", "Bogotá", "Photographer."),
    ("Aoife Brennan", "Galway", "Swims in anything."),
    ("Wei Zhang", "Singapore", "Weekends with my parents."),
    ("Ingrid Sørensen", "Bergen", "Rain does not bother me."),
    ("Marcus Bell", "Atlanta", "Coffee, records, early flights."),
    ("Fatima El-Amrani", "Rabat", "Two children, many questions."),
    ("Lucía Herrera", "Seville", "Dance teacher."),
    ("Tom O'Rourke", "Dublin", "Stag parties are behind me."),
    ("Kavya Nair", "Kochi", "Remote work and river views."),
    ("Émile Laurent", "Lyon", "Cooks every evening."),
    ("Nora Castellanos", "Austin", "Road trips with my sister."),
    ("Yuki Tanaka", "Osaka", "Gardens and old trains."),
    ("Beth Sanderson", "Leeds", "Retired, at last."),
    ("Oskar Nowak", "Kraków", "Bicycle first."),
    ("Rosa Delgado", "San Juan", "Always brings hot sauce."),
    ("Ibrahim Diallo", "Dakar", "Basketball coach."),
    ("Clara Hoffmann", "Leipzig", "Mushrooms and museums."),
)

COUPONS: tuple[tuple[str, str, int, int, str, int, str], ...] = (
    ("HELLO10", "percent", 10, 0, "2026-12-31", 1, "10% off the nights of a stay"),
    ("SPRING25", "fixed", 2500, 25000, "2026-05-31", 1, "$25.00 off stays with nights from $250.00"),
    ("LINGER8", "percent", 8, 60000, "2026-09-30", 1, "8% off stays with nights from $600.00"),
    ("AUTUMN15", "percent", 15, 0, "2025-11-30", 1, "15% off, autumn offer"),
    ("CREW20", "percent", 20, 0, "2026-12-31", 0, "20% off, for staff"),
)
