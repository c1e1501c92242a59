"""What a simulated person does, read from the simulation itself: no document says how much was drunk."""

from datetime import date

from ringlet._person.person import Person
from ringlet._person.simulation.plan import Calendar, DailyState
from ringlet._person.simulation.random_streams import RandomStreams


def calendar_of(person: Person) -> Calendar:
    return Calendar(RandomStreams(person.seed, person.user))


def state(calendar: Calendar, day: date) -> DailyState:
    return calendar.state(day.toordinal())
