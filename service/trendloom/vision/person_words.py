"""The English words by which a label is judged: who people are, how they are described, and what is worn.

A word stands in one list for each role that it can play; what a label means is decided in `labels`, from all its words.
"""

from __future__ import annotations

import re

__all__ = [
    "ALSO_BODY",
    "ASKED",
    "ASKED_ALWAYS",
    "ASKED_OF_THINGS",
    "AUDIENCE",
    "BODY",
    "BODY_ALONE",
    "BODY_ALWAYS",
    "BODY_MEASURED",
    "CUTS",
    "DESCRIBING",
    "FILLERS",
    "GARMENTS",
    "LOOKALIKES",
    "NEUTRAL",
    "PEOPLE",
    "PRONOUNS",
    "QUALITY",
    "QUESTIONS",
    "RELATIONS",
    "RELATIONS_OF_DRESS",
    "ROLES",
    "SHOWN",
    "STYLES",
    "TRAITS_OF_PEOPLE",
    "UNMISTAKABLE",
    "VERBS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Whom a shop sells to: these alone, in the plural or as shops write them, may stand beside a garment without a relation.
AUDIENCE = _words(
    "men women mens womens boys girls kids ladies gents children babies baby toddler toddlers infant infants teen teens "
    "adults adult juniors junior unisex womans gentlemen males females male female newborn newborns tweens"
)
PEOPLE = AUDIENCE - _words("unisex junior juniors") | _words(
    "man woman boy girl child kid tween lady gentleman guy guys gal gals dude dudes lad lads lass chick bloke blokes fella "
    "teenager teenagers adolescent adolescents youth youths youngster youngsters minor minors preteen preteens "
    "senior seniors pensioner pensioners retiree retirees elder elders oldie oldies oap octogenarian septuagenarian "
    "millennial millennials boomer boomers zoomer zoomers "
    "mother mothers father fathers mom moms mum mums mommy mummy dad dads daddy daughter daughters son sons sister sisters "
    "brother brothers husband husbands wife wives grandmother grandmothers grandfather grandfathers grandma grandmas "
    "grandpa grandpas granddad granddads grandad granny grannies nan grandparent grandparents aunt auntie uncle girlfriend girlfriends boyfriend "
    "boyfriends housewife widow bachelor bachelorette "
    "blonde blondes brunette brunettes redhead redheads ginger gingers baldy fatty hunk babe babes hottie hotties "
    "businessman businessmen businesswoman businesswomen sportsman sportswoman salesman saleswoman policeman policewoman "
    "fireman spokeswoman chairwoman actress actresses waitress stewardess gentlewoman noblewoman youngman "
    "schoolgirl schoolgirls schoolboy schoolboys crossdresser crossdressers immigrant immigrants refugee refugees criminal "
    "criminals jew jews mestizo mestizos inuit "
    "girlz boyz womyn indians americans europeans germans africans asians caucasians hispanics latinos latinas blacks whites mexicans arabs poc bipoc "
    "transwoman transman transwomen transmen lesbians gays "
    "dwarf amputee albino bodybuilder bodybuilders supermodel"
)
NEUTRAL = _words(
    "person persons people human humans folk folks somebody someone anybody anyone everyone individual individuals wearer "
    "subject figure couple couples citizen citizens"
)
# People by what they do: no trait by itself, but "pregnant bride" or "black student" describes one.
ROLES = _words(
    "student students professional professionals athlete athletes nurse nurses doctor dancer dancers actor actors singer "
    "singers rapper rappers bride brides groom grooms influencer influencers blogger bloggers model models worker workers "
    "customer customers tourist tourists hiker hikers runner runners skater skaters surfer surfers "
    "teacher teachers guest guests celebrity celebrities player players friend friends family families crowd passenger "
    "pedestrian pedestrians passerby employee employees executive boss swimmer cyclist driver musician artist artists "
    "mannequin faces members member user users client clients"
)
PRONOUNS = _words("she he her his him hers they them their theirs who whose whom")
_ETHNIC = _words(
    "asian african afro caucasian hispanic latino latina latinx latin arab arabic european american indian chinese "
    "japanese korean mexican jewish muslim hindu sikh black white brown african-american afro-american asian-american "
    "black-skinned mixed-race biracial multiracial aryan nordic slavic mediterranean eurasian aboriginal indigenous native "
    "middle-eastern eastern western coloured colored yellow"
)
# Said of people, and hardly of anything that is worn.
UNMISTAKABLE = _words(
    "elderly pregnant obese overweight underweight chubby naked middle-aged underage teenaged bald balding bearded blond "
    "disabled handicapped transgender transsexual nonbinary non-binary genderfluid genderqueer intersex handsome muscular "
    "freckled dark-skinned light-skinned fair-skinned pale-skinned brown-skinned olive-skinned tanned-skinned "
    "black-skinned white-skinned dark-haired fair-haired blond-haired blonde-haired grey-haired gray-haired long-haired "
    "short-haired red-haired curly-haired blue-eyed green-eyed brown-eyed african-american afro-american asian-american "
    "mixed-race biracial multiracial hispanic caucasian latina latino latinx busty anorexic "
    "pubescent prepubescent topless flat-chested tattooed unattractive able-bodied wheelchair fertile "
    "infertile menopausal homeless heterosexual homosexual bisexual asexual cisgender deaf autistic"
)
TRAITS_OF_PEOPLE = UNMISTAKABLE | _words(
    "asian african arab jewish muslim young old aged teenage youthful fat blonde brunette redhead attractive "
    "beautiful pretty handsome ugly sexy gay lesbian queer curvy masculine-looking feminine-looking good-looking "
    "goodlooking nice-looking youthful-looking old-looking young-looking plump buff ripped shirtless "
    "pale-faced wrinkly virile adult heavyset stocky trans fertile mature-looking voluptuous"
)
DESCRIBING = (
    PEOPLE
    | NEUTRAL
    | _ETHNIC
    | TRAITS_OF_PEOPLE
    | PRONOUNS
    | _words(
        "mens womens younger older oldest youngest mature skinny thin slim slender tall short hot cute fair pale dark light "
        "tan tanned olive wrinkled wrinkles smooth bare nude masculine feminine straight round oval facial big small large "
        "tiny huge full wide long curly wavy grey gray red blue green hazel heavy petite strong athletic fit healthy sick "
        "broad narrow hourglass hairy shaved clean-shaven perfect flawless oily dry lovely lean square heart-shaped "
        "pear-shaped apple-shaped high low plus-size size-zero make-up-free aging ageing sagging double lightest darkest "
        "almond maternity trustworthy sexual "
        "lighter darker fairer thicker thick shapely sexy androgynous happy sad smiling angry emotional plus mixed flat crooked hooked"
    )
)
# Parts of a person. Those of BODY_ALONE ask about one even by themselves; the others are also a colour, a cut, a shop's word.
BODY_ALONE = _words(
    "face faces complexion hair haircut haircuts hairstyle hairstyles hairline eye eyes eyebrow eyebrows eyelashes nose noses lips mouth chin "
    "cheeks cheekbones forehead jawline breast breasts boobs butt buttocks bum belly thighs hips physique beard beards "
    "moustache mustache goatee stubble freckles wrinkles acne pimples cellulite cleavage abs biceps tattoo tattoos scar "
    "scars nipples genitals penis vagina birthmark ears teeth smile muscles monolid monolids"
)
BODY = BODY_ALONE | _words(
    "skin body bodies bust figure physique features build legs arms hands feet shoulders chest waistline stomach tummy "
    "torso hand arm wrist thigh foot ear cheek curves head ponytail dreadlocks cornrows braids bob bodyshape bodytype bump"
)
BODY_ALWAYS = _words(
    "complexion haircut haircuts hairstyle hairstyles breasts boobs butt buttocks beard moustache mustache abs biceps cleavage freckles acne pimples cellulite "
    "cheekbones jawline physique"
)
ALSO_BODY = _words("waist neck leg toe")  # parts of garments, unless a person is said to have them
BODY_MEASURED = BODY_ALONE | _words("skin body bodies physique figure")  # what a tone, a type, a size is asked of
CUTS = _words("wide straight full slim skinny narrow dropped")  # of legs and shoulders, in garments
QUALITY = _words(
    "tone tones undertone undertones colour color colours colors coloring colouring type types shape shapes size sizes "
    "weight texture length condition symmetry recognition detection"
)
ASKED = _words(
    "age ages gender genders sex sexes ethnicity ethnicities race races nationality nationalities religion ancestry "
    "attractiveness beauty sexuality orientation height weight pregnancy disability disabilities femininity masculinity "
    "generation health physiognomy identity emotion emotions mood expression"
)
ASKED_OF_THINGS = _words("height weight length health beauty expression identity mood generation")
ASKED_ALWAYS = _words(
    "ethnicity ethnicities bmi attractiveness nudity nakedness sexuality fitzpatrick bodyfat obesity physiognomy "
    "melanin hotness pronouns birthdate menopause puberty baldness skintone skintones agegroup racial"
)
FILLERS = _words(
    "a an the very and or some any one two three group groups with this that is are was it its be being there here please "
    "estimated what which how does do did looks look looking like kind sort really quite rather so too not no more most "
    "extremely slightly visibly clearly apparent likely probably single lone typical average normal real"
)
VERBS = _words(
    "guess detect estimate predict identify recognise recognize classify determine infer tell find count show judge rate "
    "measure check contains contain showing shows depicting depicts featuring features picturing seen visible wears"
)
# What begins another part of the sentence; after SHOWN stands who is seen, after the others what it is for or with.
SHOWN = _words("on of wearing worn carried held modelled modeled around near beside next alongside behind showing by")
RELATIONS_OF_DRESS = _words("wearing holding carrying modelling modeling showing")
RELATIONS = (
    SHOWN
    | RELATIONS_OF_DRESS
    | _words(
        "in for from with without at that who which whose holding carrying under over above below aged between sitting standing "
        "walking posing running dancing smiling to made designed meant suitable sized like as about against into "
        "during through"
    )
)
QUESTIONS = re.compile(
    r"\b(how (old|young)\b(?! (is|are) (this|that|the|these|those) [a-z-]+$)"
    r"|(\d{1,3}|under|over|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"[ -]?(\d{1,3}[ -]?)?(years?|yrs?|yo)?[ -]?(olds?|of age|y/?o)\b"
    r"|\bbody (fat|mass|weight|hair|odou?r|measurements?)\b|\bgood[ -]looking$|^hot or not$"
    r"|\b(her|his|their) (looks|appearance)\b|\bborn (in|before|after|around) (the )?\d{2}"
    r"|\bethnic (group|origin|background|minority|minorities)\b|\b(aged?|ages) (\d+|group|range|bracket|over|under|between|band|category)\b|\d+\s*yo\b"
    r"|(her|his|their) (early |mid |late |mid-|early-|late-)?(teens|twenties|thirties|forties|fifties|sixties|\d0s)\b)"
    r"|^(over|under|above|below)[ -]\d{2}s?$|^(middle|old|young)[ -]aged?$|^(late|early|mid) (teens|twenties|thirties|forties|fifties)$"
    r"|^an? (mexican|indian|american|european|african|chinese|japanese|korean|russian|german|arab|jew|muslim|hindu|sikh)$"
    r"|^(native american|middle eastern|pacific islander|(south|east|south ?east|central) asian)s?$"
    r"|^who (is|are|was|were)\b|\bhip ratio\b|\b(beauty|attractiveness|hotness) (score|rating)\b|^drag (queen|king)s?$"
    r"|^\d\d ?(-|to) ?\d\d (years|yrs)$|\b(twenty|thirty|forty|fifty|sixty)[ -]?somethings?\b"
    r"|^gen(eration)? [xyz]$|^sixty plus$|^\d\d\+$"
)
# Letters of other scripts and digits that stand for Latin letters in words written so as not to be found.
LOOKALIKES = str.maketrans("аеорсухіѕԁոαορνк", "aeopcyxisdnaopvk") | str.maketrans("01345@$", "oieasas")
# Names of styles and garments that are made of words for people.
STYLES = (
    "coastal grandmother", "coastal grandma", "coastal cowgirl", "clean girl", "mob wife", "e-girl", "e-boy", "egirl", "eboy",
    "vsco girl", "soft girl", "soft boy", "tomato girl", "that girl", "it girl", "downtown girl", "old money", "new money",
    "grandpa core", "granny chic", "dad core", "office siren", "girl boss", "rich mom", "french girl", "gentleman style",
    "model off duty", "lady like", "baby blue", "baby pink", "baby yellow", "baby green", "baby lilac", "baby purple",
    "baby doll", "baby dolls", "peter pan", "old rose", "old gold", "old school", "old english", "old fashioned", "mary jane",
    "mary janes", "cat eye", "evil eye", "space age", "new age", "ice age", "little black", "off shoulder", "cold shoulder",
    "cold shoulders", "girl power", "hot girl summer", "nude pink", "nude beige", "boy short", "boy shorts", "race car",
    "fair isle", "young love", "beauty and the beast", "baby shower", "body con", "full body", "upper body", "lower body",
    "bridal", "sex and the city", "pretty in pink", "young at heart", "hook and eye", "no person", "no people", "no one", "men in black", "black tie", "white tie", "black and white", "round toe", "face lift",
    "golden age", "jazz age", "age of ultron", "bronze age", "stone age", "pretty woman", "little women", "smiley face",
    "human made", "baby alpaca", "baby cashmere", "baby cord", "baby rib", "baby corduroy", "girls generation",
)  # fmt: skip
GARMENTS = _words(
    "shirt shirts t-shirt t-shirts tshirt tshirts tee tees top tops blouse blouses polo polos sweater sweaters jumper jumpers "
    "pullover pullovers cardigan cardigans hoodie hoodies sweatshirt sweatshirts jacket jackets blazer blazers coat coats "
    "overcoat parka anorak windbreaker raincoat trench vest vests waistcoat waistcoats suit suits tuxedo dress dresses frock "
    "frocks gown gowns skirt skirts trousers pants pant jeans shorts short-shorts leggings jeggings joggers sweatpants chinos "
    "culottes capris dungarees overalls tights stockings pantyhose jumpsuit jumpsuits romper rompers playsuit playsuits "
    "bodysuit bodysuits onesie onesies swimsuit swimsuits swimwear swimming-costume bikini bikinis trunks bra bras bralette "
    "underwear lingerie briefs boxers panties knickers thong corset bustier camisole shapewear pyjamas pajamas pyjama pajama "
    "nightwear nightgown nightdress robe robes bathrobe kimono socks sock shoe shoes footwear sneaker sneakers trainer "
    "trainers boot boots booties heel heels pumps stilettos flats loafers loafer oxfords brogues moccasins sandal sandals "
    "slippers slides clogs mules espadrilles ballerinas flip-flops bag bags handbag handbags backpack backpacks rucksack "
    "clutch clutches shopper shoppers purse wallet wallets tote satchel pouch suitcase luggage hat hats cap caps beanie beanies beret fedora "
    "bonnet headband hairband headscarf hijab hijabs turban turbans veil abaya burqa niqab kippah scarf scarves shawl stole "
    "poncho tie ties bowtie gloves glove mittens belt belts braces suspenders sunglasses glasses eyewear spectacles goggles "
    "watch watches jewellery jewelry earring earrings necklace necklaces pendant bracelet bracelets bangle bangles ring rings "
    "brooch anklet choker cufflinks piercing piercings umbrella kurta kurtas kurti kurtis saree sarees sari saris lehenga "
    "salwar dupatta sherwani dhoti kaftan caftan tunic tunics clothes clothing cloth cloths apparel garment garments attire "
    "outfit outfits wear wears activewear athleisure sportswear menswear womenswear ladieswear kidswear babywear knitwear "
    "outerwear loungewear streetwear workwear maternitywear formalwear eveningwear beachwear fashion fashions style styles "
    "styling look aesthetic aesthetics core chic wardrobe ensemble costume costumes cosplay uniform uniforms print prints "
    "pattern patterns motif graphic logo fabric fabrics textile leather denim cotton wool silk linen lace velvet satin fur "
    "knit knits collection range line department section accessories accessory perfume fragrance mist spray lotion cream "
    "mask masks lipstick mascara eyeliner eyeshadow makeup make-up cosmetics polish gloss sunscreen shampoo conditioner oil "
    "clip clips hairclip scrunchie tiara crown wig wigs extensions comb brush fit cut sleeve sleeves neck neckline collar "
    "cuff hem waist waistband leg toe strap straps pocket pockets zip button buttons hood lining trim embroidery stripes "
    "stripe check checks dots floral florals ruffles silhouette shapewear sizing swimming-trunks essentials basics "
    "denims tailoring separates set sets doll toy toys stroller bib bibs diaper diapers slip slipper apron armour armor "
    "helmet harness bodycon bolero cape capes cloak peplum jersey jerseys mix fleece corduroy tweed bottom bottoms sleepwear cover covers flops hoody mules kilt kilts sarong serape tabard thobe babydoll "
    "swimcap visor wristband lanyard cufflink tiepin case sole soles insole insoles laces heeled wedges wedge"
)
