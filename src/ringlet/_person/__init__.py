"""The simulated wearer: documents and samples that are computed from a seed, a user name and a day.

Other packages use `Person` (in `person`). It uses two packages, in which each file imports only files that
are listed before it:

    simulation/   simulates the wearer, as numbers
        random_streams   random numbers, computed by hashing seed, user, purpose and day
        local_time       days, instants and summer time
        traits           the wearer's body, habits and home
        episodes         what lasts for days: trips, illness, days without the ring, charging
        plan             the wearer's state on each day, bedtimes, and what happens between them
        sleep_curves     the sleep stages, heart rate and HRV of one night
        sleep_periods    nights and naps
        movement         activity classes, MET and steps of a day
        scores           scores of sleep, readiness and activity
        estimates        stress, resilience, vascular age, VO2 max, oxygen saturation
        series           heart rate, battery level, interbeat intervals

    documents/    writes Oura's documents from the simulation
        rings            the rings that the wearer has set up
        writer           when the cloud gets each version of a document
        night, day, entered   the fields of documents about nights, days, and what the wearer enters
        table            the document types

Most constants (means, spreads, slopes) are chosen so that the middle 80 % of the values of each field overlap
those of a recorded wearer; `tests/person/test_person.py` compares them field by field.
"""
