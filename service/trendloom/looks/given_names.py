"""Given names that are common in many countries: no word of this list names a look."""

__all__ = ["GIVEN_NAMES"]

_NAMES = """
aaron abigail adam adele adrian ahmed aisha alba albert alejandra alejandro alessandra alessandro alessia alexa
alexander alexandra alexis alice alicia alina alison alyssa amanda amelia amelie amina amy ana anastasia andre andrea
andreas andrew angela angelina anika anita anna annabel anne annie anouk anthony antonia antonio ariana arianna arthur
ashley astrid audrey aurora ava aylin barbara beatrice beatriz becky bella benjamin bernard beth bethany beyonce
bianca billie blake bradley brandon brenda brian brianna brigitte bruno bryan camila camilla camille carla carlos
carmen carol carolina caroline catherine cecilia celine chantal charles charlie charlotte chiara chloe chris christian
christina christine christopher ciara cindy claire clara claudia colin constance cristina cynthia daniel daniela
daniella danielle david deborah denise dennis diana diego dominic dominique donald donna dorothy dylan eduardo edward
eleanor elena elias elisa elisabeth elise eliza elizabeth ella ellen ellie elodie elsa elvira emilia emilie emily emma
enrique eric erica erika ernest esther ethan eugenia eva evelyn fabian fatima felicia felix fernanda fernando fiona
florence florian francesca francesco francis francisco frank franziska frederic frederik gabriel gabriela gabriella
gabrielle gareth gary gemma geoffrey george georgia gerard gianna gigi gilbert gina giorgia giorgio giovanna giovanni
giulia giuseppe gloria gonzalo gregory greta guillaume gustav hailey hannah hannes harold harriet harry heather hector
heidi helen helena helene henri henrik henry hilary hugo ian ibrahim ines ingrid irene irina isabel isabella isabelle
isla ivan jack jackie jacob jacqueline jade jake james jamie jan jane janet jasmin jason javier jean jeffrey jenna
jennifer jenny jeremy jerome jesse jessica jessie jill joan joanna joel johan johanna johannes john johnny jonas
jonathan jordan jorge jose josef joseph josephine joshua juan judith julia julian juliana julie juliet juliette julio
justin karen karim karin karina karl karolina kate katharina katherine kathleen kathryn katie katja katrin kayla keith
kelly kendall kenneth kevin khadija kim kimberly kristen kristin kristina kylie lara larissa laura lauren laurence
leah lena leon leonardo leonie leslie lewis liam lidia lillian linda lindsay lisa livia logan lola lorena lorenzo
louis louisa louise luca lucas lucia luciana lucie lucy luis luisa lukas luna lydia madeleine madison magdalena maggie
maja manuel manuela marc marcel marcela marco marcus margaret margarita margot maria mariah mariam mariana marie
marina mario marion marisa mark markus marlene marta martha martin martina mary mateo mathilde matilda matteo matthew
matthias maurice max maya megan meghan melanie melissa mercedes michael michaela michel michela michelle miguel mila
milena miles millie miranda miriam mohamed mohammed molly monica monika morgan muhammad nadia nadine nancy naomi
natalia natalie natasha nathalie nathan nicholas nicki nicola nicolas nicole nicoletta nils nina noah noemi nora olga
oliver olivia omar oscar pablo pamela paola patricia patrick paul paula pauline pedro penelope peter petra philip
philippa phoebe pierre priyanka rachel rafael ralph ramona raphael raquel raymond rebecca regina renata rene ricardo
richard rihanna rita robert roberta roberto robin rodrigo roger roland romy ronald rosalia rosalie rosie roxanne
russell ruth ryan sabine sabrina salma sam samantha samira samuel sandra santiago sara sarah sebastian selena serena
sergio shakira shannon sharon sienna silvia simon simona simone sofia sonia sophia sophie stefan stefania stefanie
stella stephanie stephen steven susan susanne suzanne sven svetlana sylvia sylvie tamara tania tanja tatiana taylor
teresa thea theo theresa thomas timothy tina tobias tom tracy ulrike ursula valentina valeria valerie vanessa vera
veronica veronika victor victoria vincent virginia vivian vivienne walter wendy wilhelm william xavier yasmin yolanda
yvonne zendaya zoe
"""
GIVEN_NAMES = frozenset(_NAMES.split())
