"""Hand-written words the catalogue is made of: categories, product types, brands, colours."""

from __future__ import annotations

from typing import NamedTuple


class Type(NamedTuple):
    """A kind of product: what it is called, made of, sized by, priced at (dollars), and one true sentence."""

    noun: str
    materials: tuple[str, ...]
    axis: str
    low: int
    high: int
    detail: str


CATEGORIES: dict[str, tuple[str, str]] = {
    "cookware": ("Cookware", "Pots, pans and tools that earn their place on the hob."),
    "tableware": ("Tableware", "Plates, glasses and serving pieces for every day and Sundays."),
    "bedding": ("Bed & Bath", "Linen, cotton and wool to wake up in and dry off with."),
    "lighting": ("Lighting", "Lamps and lanterns for reading, dining and long evenings."),
    "furniture": ("Furniture", "Small, sturdy pieces that go through the door in one box."),
    "garden": ("Garden", "Tools, pots and furniture for growing things outside."),
    "camping": ("Camping", "Shelter, sleep and supper for nights under canvas."),
    "travel": ("Packs & Travel", "Bags and bottles for commutes, hikes and airports."),
    "storage": ("Storage", "Baskets, boxes and hooks that make room for the rest."),
    "decor": ("Decor", "Vases, candles and textiles that finish a room."),
}

BRANDS: dict[str, tuple[str, ...]] = {
    "cookware": ("Hearthstead", "Café Brûlot", "Norrvik", "Oakham"),
    "tableware": ("Solène", "Norrvik", "Birch & Bell", "Café Brûlot"),
    "bedding": ("Solène", "Tidewater", "Birch & Bell", "Måne"),
    "lighting": ("Måne", "Norrvik", "Hearthstead", "Brightwell"),
    "furniture": ("Oakham", "Norrvik", "Brightwell", "Birch & Bell"),
    "garden": ("Grünhof", "Oakham", "Fieldway", "Tidewater"),
    "camping": ("Peakline", "Fieldway", "Kestrel", "Måne"),
    "travel": ("Kestrel", "Peakline", "Fieldway", "Tidewater"),
    "storage": ("Birch & Bell", "Oakham", "Norrvik", "Brightwell"),
    "decor": ("Solène", "Måne", "Tidewater", "Grünhof"),
}

LINES: tuple[str, ...] = (
    "Alba", "Arden", "Aster", "Bramble", "Briar", "Calder", "Clover", "Corrie", "Dale", "Drift", "Dune", "Eider",
    "Elder", "Ember", "Fen", "Ferris", "Finch", "Fjord", "Gale", "Glen", "Grove", "Harbour", "Haven", "Hazel",
    "Heath", "Hollow", "Isla", "Juniper", "Kelso", "Lark", "Linden", "Loch", "Marlow", "Meadow", "Mesa", "Moor",
    "Nettle", "Orchard", "Pebble", "Quill", "Ridge", "Rowan", "Sable", "Sedge", "Skye", "Sorrel", "Tarn", "Thistle",
    "Umber", "Vale", "Wicker", "Willow", "Wren", "Yarrow",
)

COLOURS: tuple[str, ...] = (
    "Oat", "Moss", "Charcoal", "Clay", "Indigo", "Rust", "Sand", "Ivory", "Slate", "Ochre", "Fern", "Plum",
)

AXES: dict[str, tuple[str, ...]] = {
    "size": ("Small", "Medium", "Large"),
    "litres": ("1 L", "2 L", "3.5 L", "5 L"),
    "cm": ("20 cm", "24 cm", "28 cm"),
    "bed": ("Single", "Double", "King"),
    "set": ("Set of 2", "Set of 4", "Set of 6"),
    "person": ("1 person", "2 person", "4 person"),
    "one": ("Standard",),
}

T = Type

TYPES: dict[str, tuple[Type, ...]] = {
    "cookware": (
        T("Saucepan", ("Copper", "Steel", "Enamel"), "litres", 32, 95, "The pouring lip is rolled on both sides, so it suits either hand."),
        T("Frying Pan", ("Cast Iron", "Carbon Steel"), "cm", 28, 90, "It takes a seasoning quickly and keeps it."),
        T("Casserole", ("Cast Iron", "Stoneware"), "litres", 55, 160, "The lid is ridged underneath and bastes as it goes."),
        T("Kettle", ("Copper", "Steel", "Enamel"), "colour", 30, 85, "It holds six mugs and sings before it boils over."),
        T("Chef's Knife", ("Carbon Steel", "Walnut"), "one", 35, 120, "The blade is balanced at the bolster and easy to keep sharp."),
        T("Chopping Board", ("Walnut", "Oak", "Beech"), "size", 18, 60, "A shallow groove on one side catches the juice."),
        T("Baking Tin", ("Steel", "Enamel"), "cm", 12, 34, "Straight sides turn out a clean edge every time."),
        T("Pepper Mill", ("Beech", "Walnut", "Brass"), "colour", 22, 58, "The ceramic grinder runs from coarse to dust."),
    ),
    "tableware": (
        T("Dinner Plate", ("Stoneware", "Porcelain"), "set", 24, 78, "A raised rim keeps the sauce where you put it."),
        T("Cereal Bowl", ("Stoneware", "Porcelain", "Enamel"), "set", 18, 56, "Deep enough for porridge, wide enough for ramen."),
        T("Mug", ("Stoneware", "Enamel", "Porcelain"), "colour", 9, 26, "The handle fits three fingers, gloves included."),
        T("Wine Glass", ("Crystal", "Recycled Glass"), "set", 26, 72, "Thin at the lip and heavier at the foot than it looks."),
        T("Water Carafe", ("Recycled Glass", "Crystal"), "litres", 19, 48, "The stopper doubles as a tumbler."),
        T("Serving Platter", ("Stoneware", "Oak", "Porcelain"), "size", 28, 74, "Long enough for a whole fish or a great deal of cheese."),
        T("Cutlery Set", ("Steel", "Brass"), "set", 38, 130, "Forged in one piece, with a matte handle that hides scratches."),
        T("Teapot", ("Stoneware", "Cast Iron", "Porcelain"), "colour", 29, 80, "It comes with a fine basket and does not drip."),
    ),
    "bedding": (
        T("Duvet Cover", ("Linen", "Cotton", "Percale"), "bed", 60, 170, "Ties inside each corner keep the duvet from bunching."),
        T("Pillowcase", ("Linen", "Cotton", "Silk"), "colour", 14, 48, "An envelope back, so there are no buttons to lie on."),
        T("Fitted Sheet", ("Linen", "Cotton", "Percale"), "bed", 34, 96, "Deep pockets and elastic all the way round."),
        T("Blanket", ("Wool", "Cotton", "Mohair"), "colour", 48, 150, "Woven double, warm on one side and cool on the other."),
        T("Bath Towel", ("Cotton", "Linen"), "colour", 16, 46, "Long loops drink up water and dry by the evening."),
        T("Bath Mat", ("Cotton", "Cork", "Bamboo"), "colour", 19, 44, "Heavy enough to stay flat on a wet floor."),
        T("Bathrobe", ("Cotton", "Linen", "Waffle"), "size", 54, 128, "Two deep pockets and a loop that will not tear."),
        T("Pillow", ("Down", "Wool", "Kapok"), "size", 38, 110, "Unzip the side to take out as much filling as you like."),
    ),
    "lighting": (
        T("Table Lamp", ("Brass", "Ceramic", "Oak"), "colour", 48, 140, "The dimmer sits on the cord where you can find it in the dark."),
        T("Floor Lamp", ("Brass", "Steel", "Oak"), "one", 95, 260, "The arm turns a full circle and stays where you leave it."),
        T("Pendant Light", ("Linen", "Glass", "Rattan"), "size", 52, 180, "Hangs from two metres of cloth-covered cable."),
        T("Desk Lamp", ("Steel", "Brass"), "colour", 42, 118, "Two springs, three joints and no screws to tighten."),
        T("Wall Light", ("Brass", "Glass", "Ceramic"), "colour", 44, 130, "Throws a soft arc upwards and none in your eyes."),
        T("Lantern", ("Steel", "Glass", "Bamboo"), "size", 24, 82, "Safe with a real candle, pleasant with a battery one."),
        T("String Lights", ("Copper", "Glass"), "one", 18, 46, "Ten metres, forty bulbs and a timer that remembers."),
        T("Reading Light", ("Steel", "Brass"), "colour", 26, 66, "Clamps to a headboard and turns on with a tap."),
    ),
    "furniture": (
        T("Side Table", ("Oak", "Walnut", "Marble"), "one", 78, 240, "The top lifts off and becomes a tray."),
        T("Stool", ("Oak", "Beech", "Cork"), "colour", 54, 150, "Stacks four high and doubles as a bedside table."),
        T("Bench", ("Oak", "Teak", "Ash"), "size", 120, 320, "Seats two grown-ups or three children."),
        T("Bookcase", ("Oak", "Walnut", "Steel"), "size", 150, 420, "The shelves move in two-centimetre steps."),
        T("Dining Chair", ("Ash", "Beech", "Rattan"), "colour", 88, 230, "Steam-bent in one curve from the back to the arm."),
        T("Coffee Table", ("Oak", "Marble", "Walnut"), "one", 140, 380, "Rounded at the corners, at shin height, on purpose."),
        T("Coat Stand", ("Ash", "Steel", "Oak"), "colour", 62, 160, "Weighted low, so a wet overcoat will not tip it."),
        T("Footstool", ("Wool", "Leather", "Linen"), "colour", 58, 180, "The seat opens and swallows two blankets."),
    ),
    "garden": (
        T("Hand Trowel", ("Carbon Steel", "Copper"), "one", 14, 38, "The blade is marked in centimetres for planting bulbs."),
        T("Secateurs", ("Carbon Steel", "Steel"), "one", 24, 72, "The spring and blade can both be replaced."),
        T("Watering Can", ("Zinc", "Copper", "Steel"), "litres", 26, 78, "The long neck reaches the back of the border."),
        T("Planter", ("Terracotta", "Zinc", "Stoneware"), "size", 22, 96, "Frost-proof, with a drainage hole and matching saucer."),
        T("Garden Fork", ("Carbon Steel", "Ash"), "one", 34, 84, "Four square tines that do not bend in clay."),
        T("Folding Chair", ("Teak", "Steel", "Acacia"), "colour", 48, 140, "Folds flat and hangs from a hook."),
        T("Bird Feeder", ("Zinc", "Oak", "Copper"), "one", 18, 52, "Squirrels have tried and squirrels have failed."),
        T("Seed Tray", ("Bamboo", "Zinc"), "set", 12, 36, "Has a lid with two vents for the first warm weeks."),
    ),
    "camping": (
        T("Tent", ("Ripstop", "Canvas"), "person", 140, 460, "Goes up in four minutes with colour-coded poles."),
        T("Sleeping Bag", ("Down", "Ripstop", "Wool"), "size", 84, 280, "Comfortable at minus two, with a hood that closes to a porthole."),
        T("Camp Stove", ("Titanium", "Steel"), "one", 38, 120, "Boils a litre in three and a half minutes."),
        T("Sleeping Mat", ("Ripstop", "Foam"), "size", 36, 130, "Inflates with eight breaths and rolls to the size of a bottle."),
        T("Mess Kit", ("Titanium", "Enamel", "Steel"), "set", 28, 88, "Nests together with room inside for a gas can."),
        T("Camp Chair", ("Canvas", "Ash", "Steel"), "colour", 44, 132, "Low enough for a fire, high enough for dignity."),
        T("Head Torch", ("Aluminium", "Rubber"), "colour", 22, 70, "A red mode spares your night sight and your tent mates."),
        T("Tarp", ("Ripstop", "Canvas"), "size", 42, 118, "Twelve tie-out points and a stuff sack on the ridge line."),
    ),
    "travel": (
        T("Backpack", ("Canvas", "Ripstop", "Leather"), "colour", 58, 190, "The laptop sleeve hangs clear of the bottom."),
        T("Duffel Bag", ("Canvas", "Ripstop"), "size", 62, 170, "The straps tuck away and the zips take a lock."),
        T("Water Bottle", ("Steel", "Titanium", "Glass"), "colour", 18, 54, "Keeps ice for a day and tea until lunch."),
        T("Travel Mug", ("Steel", "Ceramic"), "colour", 19, 46, "Locks shut with one thumb and comes apart for washing."),
        T("Packing Cubes", ("Ripstop", "Cotton"), "set", 20, 58, "One side is mesh, so you can see which holds the socks."),
        T("Wash Bag", ("Canvas", "Leather", "Ripstop"), "colour", 24, 76, "Opens flat and hangs from a door."),
        T("Umbrella", ("Bamboo", "Aluminium", "Ash"), "colour", 26, 74, "Nine ribs and a vent, tested on a sea front."),
        T("Walking Poles", ("Aluminium", "Carbon"), "one", 48, 150, "The lever locks can be worked with mittens on."),
    ),
    "storage": (
        T("Basket", ("Rattan", "Willow", "Jute"), "size", 22, 74, "The handles are woven in and will take the weight."),
        T("Storage Box", ("Oak", "Felt", "Canvas"), "size", 19, 66, "Stacks squarely and has a window for a label."),
        T("Wall Hooks", ("Brass", "Oak", "Steel"), "set", 16, 48, "The fixings are hidden behind the plate."),
        T("Laundry Hamper", ("Bamboo", "Canvas", "Rattan"), "size", 38, 98, "The bag lifts out and goes straight into the wash."),
        T("Shoe Rack", ("Beech", "Bamboo", "Steel"), "size", 34, 96, "The tiers are slanted, so boots fit as well."),
        T("Bread Bin", ("Enamel", "Bamboo", "Oak"), "colour", 28, 76, "The lid turns over and is a cutting board."),
        T("Glass Jar", ("Recycled Glass", "Cork"), "litres", 9, 30, "Airtight with one clip and wide enough for a scoop."),
        T("Tool Caddy", ("Steel", "Canvas", "Ash"), "colour", 24, 68, "Eight pockets outside and room for a drill in the middle."),
    ),
    "decor": (
        T("Vase", ("Stoneware", "Glass", "Brass"), "size", 22, 92, "Narrow at the neck, so three stems are enough."),
        T("Scented Candle", ("Beeswax", "Soy"), "colour", 16, 48, "Burns for forty-five hours in a jar worth keeping."),
        T("Cushion", ("Linen", "Wool", "Velvet"), "colour", 26, 78, "Piped along the edge and filled with real feathers."),
        T("Rug", ("Wool", "Jute", "Cotton"), "size", 85, 340, "Flat-woven and reversible, so it wears twice as long."),
        T("Picture Frame", ("Oak", "Brass", "Ash"), "size", 18, 62, "The glass is matte and the back opens with one clip."),
        T("Wall Mirror", ("Brass", "Oak", "Rattan"), "size", 64, 210, "Hangs either way up from a single keyhole."),
        T("Throw", ("Mohair", "Wool", "Cotton"), "colour", 42, 130, "Fringed by hand and brushed on both sides."),
        T("Wall Clock", ("Ash", "Brass", "Cork"), "colour", 38, 110, "Sweeps without ticking, which matters at three in the morning."),
    ),
}
