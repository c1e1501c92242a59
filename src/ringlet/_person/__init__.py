"""The simulated wearer: a pure function of seed, user and day.

`Person` (in `person`) is what other packages use. It reads two packages, each file of which imports only
those before it:

    simulation/   what happens, as numbers
        random_streams   random numbers that are hashes: who, what for, which day
        local_time       days, instants and summer time
        traits           the body and its habits
        episodes         what lasts for days: trips, illness, days without the ring, charging
        plan             the state of each day, bedtimes, and what happens between them
        sleep_curves     the shape of a night: stages, heart rate, HRV
        sleep_periods    nights and naps
        movement         classes, MET and steps of a day
        scores           sleep, readiness, activity
        estimates        stress, resilience, vascular age, VO2 max, oxygen
        series           heart rate, battery level, beats

    documents/    how it becomes Oura's documents
        rings            every ring that was set up
        writer           when the cloud gets each version of a document
        night, day, entered   the fields of the documents, by where they come from
        table            the document types

Most figures (means, spreads, slopes) are chosen so that the middle four fifths of each field's values overlap
those of a recorded wearer; `tests/person/test_person.py` compares them field by field.
"""
