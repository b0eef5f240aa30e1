"""Hand-written places: where they are, what they charge, and what people there say they live near."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A place to stay in. Taxes in 1/100 percent and cents per guest and night; `rate` scales what homes cost."""

    slug: str
    name: str
    region: str
    country: str
    zone: str
    scene: str
    tax_bps: int
    tourist_cents: int
    rate: int
    blurb: str
    kinds: tuple[str, ...]
    areas: tuple[str, ...]
    near: tuple[str, ...]


PLACES: tuple[Place, ...] = (
    Place("lisbon", "Lisbon", "Lisboa", "Portugal", "Europe/Lisbon", "coast", 600, 440, 100,
          "Tiles, trams and long lunches above the Tagus.", ("apartment", "loft", "studio", "townhouse"),
          ("Alfama", "Graça", "Campo de Ourique", "Príncipe Real"),
          ("above the Tagus", "on the tram 28 line", "behind the cathedral", "by the Feira da Ladra",
           "with a jacaranda")),
    Place("barcelona", "Barcelona", "Catalonia", "Spain", "Europe/Madrid", "city", 1000, 725, 115,
          "Balconies, markets and a beach at the end of the metro.", ("apartment", "loft", "studio"),
          ("Gràcia", "Poble-sec", "El Born", "Sant Antoni"),
          ("off Plaça del Sol", "near the Boqueria", "with two balconies", "under Montjuïc", "by the market hall")),
    Place("florence", "Florence", "Tuscany", "Italy", "Europe/Rome", "hills", 500, 550, 110,
          "Workshops, gardens and the evening light on the Arno.", ("apartment", "villa", "studio", "townhouse"),
          ("Oltrarno", "San Niccolò", "Santa Croce", "Fiesole"),
          ("below San Miniato", "over a bookbinder's", "with a lemon terrace", "near Santo Spirito", "on Via Romana")),
    Place("copenhagen", "Copenhagen", "Zealand", "Denmark", "Europe/Copenhagen", "city", 2500, 0, 130,
          "Bicycles, harbour baths and rye bread.", ("apartment", "houseboat", "loft", "studio"),
          ("Vesterbro", "Nørrebro", "Christianshavn", "Østerbro"),
          ("on the canal", "by the Lakes", "near the meatpacking yards", "with two bicycles", "opposite the bakery")),
    Place("edinburgh", "Edinburgh", "Scotland", "United Kingdom", "Europe/London", "hills", 1500, 0, 105,
          "Closes, crags and a view from every second window.", ("apartment", "townhouse", "cottage", "studio"),
          ("Stockbridge", "Leith", "Marchmont", "Old Town"),
          ("by the Water of Leith", "under Arthur's Seat", "off the Royal Mile", "over a bookshop",
           "with a bay window")),
    Place("reykjavik", "Reykjavík", "Capital Region", "Iceland", "Atlantic/Reykjavik", "lava", 1100, 460, 140,
          "Hot water, corrugated iron and weather worth watching.", ("apartment", "house", "cabin", "studio"),
          ("Vesturbær", "Miðborg", "Hlíðar", "Grandi"),
          ("by the old harbour", "near Hallgrímskirkja", "with a hot pot", "across from the pool", "facing Esja")),
    Place("hudson-valley", "Hudson Valley", "New York", "United States", "America/New_York", "hills", 813, 0, 125,
          "Orchards, river towns and a train to the city.", ("cabin", "house", "cottage", "guesthouse"),
          ("Rhinebeck", "Kingston", "Cold Spring", "Hudson"),
          ("by the creek", "on an apple farm", "with a wood stove", "above the river", "at the end of the lane")),
    Place("savannah", "Savannah", "Georgia", "United States", "America/New_York", "garden", 1300, 500, 100,
          "Squares, live oaks and porches that slow the day down.", ("townhouse", "house", "apartment", "guesthouse"),
          ("Historic District", "Starland", "Victorian District", "Isle of Hope"),
          ("on Forsyth Park", "under the live oaks", "with a carriage porch", "off Jones Street", "by the river walk")),
    Place("santa-fe", "Santa Fe", "New Mexico", "United States", "America/Denver", "desert", 1525, 0, 110,
          "Adobe, piñon smoke and a very large sky.", ("house", "guesthouse", "studio", "cottage"),
          ("Canyon Road", "Railyard", "South Capitol", "Tesuque"),
          ("near the Railyard", "with a kiva fireplace", "off Canyon Road", "under the cottonwoods",
           "facing the Sangres")),
    Place("portland", "Portland", "Oregon", "United States", "America/Los_Angeles", "garden", 1600, 400, 95,
          "Bridges, roses and coffee taken seriously.", ("house", "guesthouse", "studio", "apartment"),
          ("Alberta", "Sellwood", "Mississippi", "Laurelhurst"),
          ("by the rose garden", "behind the bakery", "with a cedar tub", "near Mount Tabor", "on a quiet corner")),
    Place("oaxaca", "Oaxaca", "Oaxaca", "Mexico", "America/Mexico_City", "desert", 1900, 0, 70,
          "Courtyards, markets and the slow work of mole.", ("house", "apartment", "guesthouse", "studio"),
          ("Jalatlaco", "Xochimilco", "Centro", "Reforma"),
          ("off the Zócalo", "with a bougainvillea patio", "near Santo Domingo", "by the aqueduct",
           "on a painted street")),
    Place("kyoto", "Kyoto", "Kansai", "Japan", "Asia/Tokyo", "garden", 1000, 200, 120,
          "Gardens, lanterns and the sound of the river.", ("townhouse", "house", "apartment", "studio"),
          ("Higashiyama", "Nishijin", "Demachiyanagi", "Fushimi"),
          ("by the Kamo river", "near the Philosopher's Path", "with a moss garden", "off Teramachi",
           "near Nishiki market")),
    Place("hobart", "Hobart", "Tasmania", "Australia", "Australia/Hobart", "coast", 1000, 0, 105,
          "Sandstone, oysters and a mountain at the end of the street.", ("cottage", "house", "apartment", "cabin"),
          ("Battery Point", "North Hobart", "Sandy Bay", "West Hobart"),
          ("near Salamanca", "under kunanyi", "on the harbour", "with a walled garden", "above Sandy Bay")),
    Place("queenstown", "Queenstown", "Otago", "New Zealand", "Pacific/Auckland", "mountains", 1500, 0, 150,
          "A long lake, sharp hills and boots by the door.", ("cabin", "house", "apartment", "guesthouse"),
          ("Fernhill", "Arrowtown", "Frankton", "Kelvin Heights"),
          ("over Lake Wakatipu", "below the Remarkables", "on the Arrow river", "with a fire pit",
           "at the edge of the pines")),
    Place("cape-town", "Cape Town", "Western Cape", "South Africa", "Africa/Johannesburg", "coast", 1500, 100, 85,
          "Two oceans' worth of wind, and a mountain to hide behind.", ("house", "apartment", "villa", "cottage"),
          ("Kalk Bay", "Bo-Kaap", "Observatory", "Camps Bay"),
          ("under Lion's Head", "by the tidal pool", "with a stoep", "near the Company's Garden", "over False Bay")),
)  # fmt: skip
