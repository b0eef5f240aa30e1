"""What the shop sells: every family of goods with its names, prices in pence and what is said of it."""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """Goods of one kind: `names` become products, each with a child for every one of `variants`."""

    kind: str
    category: tuple[str, ...]
    maker: str
    names: tuple[str, ...]
    pence: tuple[int, int]
    said: tuple[str, ...]
    variants: tuple[str, ...] = ()


YARN, PAINT, DRAW, SEW, PRINT, READ, MAKE = (
    "Yarn & wool", "Painting", "Paper & drawing", "Sewing", "Printmaking & clay", "Books", "Kits & gifts",
)  # fmt: skip
COLOURS = ("Moss", "Slate", "Rosehip", "Oat", "Midnight", "Saffron")

FAMILIES = (
    Family("Yarn", (YARN, "Wool"), "Fellside Mills",
           ("Fellside Aran", "Fellside DK", "Harrow Chunky", "Kirkby 4-ply", "Dunmore Tweed"), (595, 1250),
           ("{name} is spun from the fleece of upland sheep and keeps a little of its lanolin.",
            "{name} is a round, springy wool that forgives uneven tension.",
            "A plain, honest wool: {name} blooms after its first wash and hardly pills."), COLOURS[:5]),
    Family("Yarn", (YARN, "Cotton & linen"), "Fellside Mills",
           ("Saltmarsh Cotton", "Saltmarsh Cotton Fine", "Larkspur Linen", "Quayside Denim"), (450, 890),
           ("{name} stays cool in the hand and shows every stitch.",
            "For dishcloths, market bags and summer tops: {name} gets softer with each wash."), COLOURS[1:5]),
    Family("Yarn", (YARN, "Sock yarn"), "Dye House Nine",
           ("Long Walk Sock", "Two Left Feet", "Pennine Sock", "Garter & Gusset"), (1395, 2195),
           ("{name} has a quarter of nylon in it, so heels last.",
            "Dyed in small lots: take enough {name} for the pair, the next lot will differ."), COLOURS[:4]),
    Family("Yarn", (YARN, "Mohair & silk"), "Dye House Nine", ("Mist Mohair", "Cobweb Silk Lace", "Halo"), (1650,
               2600),
           ("{name} weighs almost nothing and is warm out of all proportion.",
            "Hold {name} together with a plain wool for a soft halo."), COLOURS[:3]),
    Family("Tool", (YARN, "Needles & hooks"), "Brandt & Söhne",
           ("Birch Circular Needle 4 mm", "Birch Circular Needle 5 mm", "Steel Double-Pointed Needles 3 mm",
            "Rosewood Crochet Hook 4 mm", "Rosewood Crochet Hook 6 mm", "Cable Needle Pair", "Row Counter",
            "Folding Yarn Swift", "Wooden Ball Winder", "Blocking Mat Set"), (350, 4900),
           ("{name}: turned, polished and checked by hand, so that nothing snags.",
            "The {name} we use behind the counter every day.")),
    Family("Paint", (PAINT, "Watercolour"), "Lowther Colour",
           tuple(f"Lowther Watercolour {hue}" for hue in (
               "Burnt Sienna", "Raw Umber", "French Ultramarine", "Cobalt Turquoise", "Sap Green", "Yellow Ochre",
               "Quinacridone Rose", "Payne’s Grey", "New Gamboge", "Cerulean Blue", "Perylene Maroon",
               "Titanium Buff")), (495, 1150),
           ("One pigment, gum arabic, a little honey: {name} rewets years later.",
            "{name} granulates gently on rough paper.",
            "{name} in a 5 ml tube that lasts longer than it looks.")),
    Family("Paint", (PAINT, "Acrylic"), "Lowther Colour",
           tuple(f"Studio Acrylic {hue}" for hue in (
               "Cadmium-free Red", "Phthalo Green", "Mars Black", "Warm White", "Naples Yellow", "Dioxazine Violet",
               "Process Cyan", "Raw Sienna")), (380, 690),
           ("{name} is heavy-bodied and keeps the mark of the brush.",
            "{name} dries within the hour to a satin film that does not crack.")),
    Family("Paint", (PAINT, "Oil"), "Atelier Brandt",
           tuple(f"Brandt Oil {hue}" for hue in (
               "Lead-tin Yellow Hue", "Venetian Red", "Ivory Black", "Flake White Hue", "Terre Verte",
               "Alizarin Permanent", "Prussian Blue", "Transparent Brown Oxide")), (790, 2450),
           ("Ground three times in cold-pressed linseed oil, {name} has a buttery pull.",
            "{name} is slow: expect a week before the next layer.")),
    Family("Brush", (PAINT, "Brushes"), "Atelier Brandt",
           ("Heron Sable Round", "Heron Synthetic Flat", "Marsh Hog Filbert", "Wren Rigger", "Badger Mop"), (420,
            3900),
           ("{name} comes to a point and holds it for a whole sky.",
            "The handle of {name} is sealed against a night in the jar."), ("size 2", "size 6", "size 10", "size 14")),
    Family("Paper", (PAINT, "Canvas & boards"), "Northmill Papers",
           ("Linen Board 20 x 30 cm", "Linen Board 30 x 40 cm", "Stretched Canvas 40 x 50 cm",
            "Stretched Canvas 60 x 80 cm", "Gesso Panel A4", "Canvas Roll 2 m"), (350, 3800),
           ("{name}, primed twice and sanded between the coats.",
            "{name} takes oil and acrylic alike and does not warp.")),
    Family("Paper", (DRAW, "Sketchbooks"), "Northmill Papers",
           ("Northmill Sketchbook A5", "Northmill Sketchbook A4", "Pocket Landscape Book", "Black Page Book",
            "Watercolour Journal", "Kraft Cover Jotter", "Ring-bound Field Book", "Toned Grey Sketchbook"), (390,
            2450),
           ("Opens flat and stays flat: {name} is sewn in sections.",
            "{name} has paper that takes a wash without complaint.",
            "A {name} for every pocket; the cover is meant to be scuffed.")),
    Family("Paper", (DRAW, "Sheets & pads"), "Northmill Papers",
           ("Cold Press Pad 300 g", "Hot Press Pad 300 g", "Bristol Pad", "Newsprint Pad A2", "Layout Pad A3",
            "Tracing Roll", "Handmade Rag Sheets", "Japanese Tissue", "Marker Pad A4"), (320, 3250),
           ("{name}: acid-free, so that nothing yellows in the drawer.",
            "{name} bears rubbing out again and again.")),
    Family("Drawing", (DRAW, "Pencils & charcoal"), "Brandt & Söhne",
           ("Graphite Set of Twelve", "Carpenter’s Pencil Pair", "Willow Charcoal Thick", "Willow Charcoal Thin",
            "Compressed Charcoal Sticks", "Sanguine Pencils", "White Chalk Pencils", "Coloured Pencils Twenty-four",
            "Coloured Pencils Forty-eight", "Water-soluble Graphite", "Kneadable Eraser", "Brass Sharpener"), (190,
            5600),
           ("{name}: even from end to end, with no scratchy grains.",
            "The cedar of {name} sharpens clean and smells of school.")),
    Family("Drawing", (DRAW, "Inks & pens"), "Inkwell & Daughter",
           ("Iron Gall Ink", "Walnut Ink", "Indian Ink", "Sepia Drawing Ink", "White Pen Ink", "Dip Pen Set",
            "Fineliner Set of Six", "Brush Pen Soft", "Brush Pen Firm", "Mapping Nibs", "Bamboo Reed Pens",
            "Calligraphy Nib Tin"), (290, 2900),
           ("{name} flows without feathering, even on cheap paper.",
            "{name} dries waterproof; rinse the pen before it does.")),
    Family("Fabric", (SEW, "Fabric"), "Calder Weaving Co.",
           ("Washed Linen", "Cotton Lawn Hedgerow", "Brushed Twill", "Organic Jersey", "Wool Flannel",
            "Ticking Stripe", "Boiled Wool", "Cotton Canvas Heavy"), (890, 3200),
           ("{name}, sold by the metre in one piece.",
            "{name} is washed before it reaches us and will not shrink again."), ("Ink", "Clay", "Fern", "Bone")),
    Family("Tool", (SEW, "Scissors & tools"), "Brandt & Söhne",
           ("Tailor’s Shears 25 cm", "Embroidery Scissors Stork", "Thread Snips", "Pinking Shears",
            "Rotary Cutter 45 mm",
            "Seam Ripper", "Steel Thimble", "Tape Measure", "Tailor’s Chalk Trio", "Magnetic Pin Dish",
            "Bodkin and Needle Tin", "Tracing Wheel"), (250, 6900),
           ("{name} is made for two generations; we sharpen and mend what we sell.",
            "Balanced and quiet: {name} does one job and does it well.")),
    Family("Thread", (SEW, "Thread & trimmings"), "Calder Weaving Co.",
           ("Cotton Thread Box of Ten", "Silk Thread Trio", "Sashiko Thread", "Linen Bookbinding Thread",
            "Bias Binding 5 m", "Horn Buttons Six", "Corozo Buttons Eight", "Petersham Ribbon", "Elastic Card",
            "Metal Zip 20 cm"), (180, 1900),
           ("{name}: colours that match our fabrics of the season.",
            "Strong enough for luggage, fine enough for hems: {name}.")),
    Family("Tool", (PRINT, "Lino & woodcut"), "Brandt & Söhne",
           ("Lino Cutter Set of Five", "Japanese Woodcut Knife", "Soft Brayer 10 cm", "Hard Brayer 6 cm",
            "Bamboo Baren", "Bench Hook", "Registration Pins", "Sharpening Strop"), (450, 4200),
           ("{name} leaves a clean edge, and fingers where they are.",
            "{name}, with a handle that sits in the palm.")),
    Family("Material", (PRINT, "Blocks & inks"), "Inkwell & Daughter",
           ("Grey Lino A5 Pack", "Grey Lino A3", "Cherry Block A5", "Relief Ink Black", "Relief Ink Oxide Red",
            "Relief Ink Prussian", "Screen Ink White", "Drypoint Plates", "Mulberry Paper Pack"), (290, 2600),
           ("{name} cuts like cheese when it is warm: keep it near the kettle.",
            "{name} cleans up with soap and water.")),
    Family("Material", (PRINT, "Clay & glaze"), "Hob Kiln Supplies",
           ("White Stoneware 10 kg", "Red Earthenware 10 kg", "Porcelain Slip", "Air-dry Clay", "Celadon Glaze",
            "Tenmoku Glaze", "Oatmeal Glaze", "Wax Resist"), (490, 3100),
           ("{name}: tested in our own kiln, with the cones to show.",
            "{name} is forgiving of beginners and of fast wheels.")),
    Family("Book", (READ, "Knitting & sewing"), "Paper Heron Press",
           ("The Plain Sock Book", "Knit to Fit", "Forty Cables", "Mending by Daylight", "A Year of Shawls",
            "Cut, Pin, Stitch", "The Well-made Shirt", "Darning for Optimists", "Patchwork Without Tears",
            "Hems and Hopes", "Yokes of the North", "Crochet from the Centre"), (950, 2900),
           ("{name} explains the why before the how, in drawings you can follow with full hands.",
            "Well thumbed in our workroom: {name} has a table for everything.")),
    Family("Book", (READ, "Drawing & painting"), "Paper Heron Press",
           ("Ten Minutes Outside", "Draw What Is There", "The Honest Palette", "Washes", "Faces on Trains",
            "Colour Without Fear", "Sketching Rain", "The Patient Line", "Still Life with Lemon",
            "Botanical Notes"), (1100, 3400),
           ("{name} sets one small task a day and no marks.",
            "A painter of forty years shows her mistakes: {name} is the book we give to friends.")),
    Family("Book", (READ, "Printing & pottery"), "Paper Heron Press",
           ("Lino at the Kitchen Table", "The Reduction Print", "Pinch, Coil, Slab", "Glaze Diary",
            "Bind Your Own Books", "The Small Press"), (1200, 3200),
           ("{name} needs no studio: a table, a tray and an evening.",
            "Recipes, failures and what they taught: {name}.")),
    Family("Kit", (MAKE, "Beginners"), "Thistle & Twine",
           ("First Socks Kit", "First Scarf Kit", "Learn to Crochet Kit", "Watercolour Starter Box",
            "Lino Print Starter Box", "Hand Sewing Sampler", "Calligraphy Starter Box", "Punch Needle Cushion Kit",
            "Embroidered Hedgerow Kit", "Book Binding Kit"), (1450, 4900),
           ("Everything for the {name} is in the box, down to the needle and a biscuit.",
            "{name}: an afternoon, a pot of tea, and something to show for it.")),
    Family("Kit", (MAKE, "For children"), "Thistle & Twine",
           ("Felt Fox Kit", "Potato Print Set", "Pom-pom Garland Kit", "My First Sketchbook Set",
            "Weave a Bookmark Kit",
            "Clay Hedgehog Kit", "Stitch a Pencil Case Kit", "Kite to Paint"), (790, 2400),
           ("{name} needs a grown-up for the scissors and for nothing else.",
            "{name}: no batteries, no glitter, little mess.")),
    Family("Gift card", (MAKE, "Gift cards"), "Thistle & Twine",
           ("Gift Card £10", "Gift Card £25", "Gift Card £50"), (1000, 5000),
           ("{name} comes by e-mail, to be spent in the shop whenever you like.",)),
)  # fmt: skip

CLOSERS = {
    "Yarn": ("Swatch first; we take back full balls.", "Needle size is a suggestion, tension is yours."),
    "Paint": ("Lightfast by our own window test.", "Colours mix cleanly with the rest of the range."),
    "Brush": ("Wash with soap, never with hot water.", "Store it tip up."),
    "Paper": ("Please tell us if a corner arrives bent.", "Packed flat with card on both sides."),
    "Drawing": ("Made for daily use.", "Refills and single pieces can be ordered at the counter."),
    "Fabric": ("Quantities are metres.", "Ask for a free snippet before you cut into your budget."),
    "Thread": ("Sold while this dye lot lasts.", "Colour-fast at forty degrees."),
    "Tool": ("Can be engraved with a name at no charge.", "Guaranteed for as long as you own it."),
    "Material": ("Heavy parcels go by carrier.", "Data sheets lie in the box."),
    "Book": ("Paperback unless it says otherwise.", "Signed copies when the author comes by."),
    "Kit": ("We can add a note for whoever unpacks it.", "Instructions have drawings, not photographs."),
    "Gift card": ("Valid for two years.", "Cannot be exchanged for cash."),
}

CATEGORY_NOTES = {
    YARN: "From fine lace to chunky tweed, by fibre and by what it is for.",
    PAINT: "Colour in tubes and pans, and what to put it on with.",
    DRAW: "For lines: paper, pencils, charcoal, ink.",
    SEW: "Cloth by the metre, and the tools that do it justice.",
    PRINT: "Blocks to cut, plates to scratch, clay to throw.",
    READ: "Books we have worked from ourselves.",
    MAKE: "For beginners, children, and people who have everything.",
}

FIBRES = ("Bluefaced Leicester", "merino and Shetland", "Romney", "organic cotton", "linen and cotton",
          "merino and nylon",
          "kid mohair and silk", "mulberry silk")  # fmt: skip
AUTHORS = ("Ines Calloway", "Tobias Wrenfield", "Marguerite Oduya", "Hal Pettigrew", "Sunniva Berg", "Anselm Drake",
           "Priya Lindgren", "Roisin Feeney")  # fmt: skip
WEIGHTS = ("Lace", "4-ply", "DK", "Aran", "Chunky")
LEVELS = ("Easy", "Some practice", "Demanding")
SHAPES = ("Round", "Flat", "Filbert", "Rigger", "Mop")
