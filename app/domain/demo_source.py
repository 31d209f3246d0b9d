"""Raw material of the demo world: a seeded stream of ids, names, numbers and places, all invented.

Made so that nothing belongs to anybody by accident: resident ids and credit codes carry a region no county ever had,
landlines have a subscriber part that begins with 0, which no exchange can dial, and mobiles are 1380000xxxx, the
placeholder of every Chinese manual.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

from lunar_python import Solar

from app.domain import identity

Gender = Literal["male", "female"]
_T = TypeVar("_T")
GENDERS: Final[tuple[Gender, ...]] = ("male", "female")

AS_OF: Final = date(2026, 11, 1)
"""The day on which the demo world is as it is; ages and ends are counted from here."""
REGION: Final = "420199"
"""Wuhan's 4201, and a county number that was never given out (the municipality itself is 420100)."""
_BEGIN: Final = datetime(2026, 2, 2, 1, 0, tzinfo=UTC)
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def words(text: str) -> tuple[str, ...]:
    """The words of a pool."""
    return tuple(text.split())


SURNAMES: Final = (
    "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_COMMON: Final = 24  # the first so many surnames are three times as frequent
_ELDER: Final = {
    "male": words(
        "德厚 茂林 炳荣 传贵 兴旺 耀宗 长庚 守义 明贤 有福 锡山 定邦 开泰 文柏 昌盛 善继 维新 祖荫 世勤 万春"
    ),
    "female": words(
        "桂枝 秀莲 玉兰 淑珍 菊香 春娥 巧云 凤英 腊梅 翠萍 素芬 金桃 银花 惠芳 月琴 碧霞 冬秀 荷香 兰芝 友珍"
    ),
}
_MIDDLE: Final = {
    "male": words(
        "立诚 志衡 海川 卫东 建勋 少坤 振宇 宏远 晓峰 国栋 永刚 汉生 江涛 松涛 文韬 学勤 启明 正阳 楚雄 亚东 "
        "鹏程 景行 思远 劲松 绍辉 致和 向荣 光锐 培元 继业"
    ),
    "female": words(
        "晓梅 雪琴 丽容 红霞 海燕 文静 慧敏 芳华 玉洁 静怡 佩珊 小蓉 春燕 雅琴 楚云 汉英 秋萍 思敏 婉清 素心 "
        "如意 美玲 若兰 珊珊 咏梅 映雪 向红 亚芬 曼丽 绮云"
    ),
}
_YOUNG: Final = {
    "male": words(
        "梓睿 浩然 宇轩 子墨 奕辰 嘉树 承泽 俊熙 沐阳 昊天 铭泽 景琛 一诺 书航 辰逸 睿渊 知远 皓月 煜城 晨曦"
    ),
    "female": words(
        "芷瑶 雨桐 梓涵 诗涵 欣妍 可馨 语嫣 若汐 思琪 沐晴 念慈 清越 书瑶 安然 予安 乐桐 灵犀 晚晴 知夏 锦书"
    ),
}
COUNTIES: Final = words("江岸区 江汉区 硚口区 汉阳区 武昌区 青山区 洪山区 东西湖区 江夏区 黄陂区")
_ROADS: Final = words(
    "樟影路 听涛巷 落雁桥街 白鹭洲路 梧桐里 栖霞渡路 云梦坊街 莲塘北路 桂子湾路 鹤归街 晴岚路 楚弦街 渔歌巷 月湖埂路"
)
_ESTATES: Final = words("云桂苑 栖鹭园 江月庭 楚天人家 听荷小区 紫藤公馆 汉樾府 临湖雅居 梧桐院 青禾家园")
_BRANDS: Final = words(
    "栖鹭 樟影 听澜 云桂 楚弦 鹤归 晴岚 青禾 墨渡 拾光 归帆 朗汀 沁梧 禾沐 衡岳 启桥 泊舟 锦棠 恒叶 松壑 皓川 "
    "知微 远岫 明渚 砚池 星垂 平野 大榕 竹溪 长亭 石桥 兰舟 雁回 春汛 霜降 谷雨 芒种 白露 清和 桑榆"
)
INDUSTRIES: Final = words(
    "餐饮管理 物流 建材贸易 装饰工程 汽车服务 软件科技 医疗器械 教育咨询 服装 食品 印务 园林绿化 电子 "
    "酒店管理 农产品 机电设备 文化传媒 口腔门诊 纺织 家政服务"
)
WORK: Final = words(
    "中学教师 护士 软件工程师 会计 销售经理 公交司机 厨师 公务员 药剂师 建筑工程师 银行柜员 律师 幼儿园教师 "
    "快递站长 室内设计师 牙科医生 仓库主管 电工 采购员 人力资源主管 健身教练 摄影师 房产经纪 车间主任 民警"
)


class Source:
    """One stream of draws; the same seed gives the same stream on every machine."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  nothing secret is drawn here
        self._now = int(_BEGIN.timestamp() * 1000)
        self._names: set[str] = set()
        self._brands: set[str] = set()
        self._tails = list(range(10_000))
        self.random.shuffle(self._tails)
        self._serial = 0

    def uid(self) -> UUID:
        """A UUIDv7 whose time goes on by one to twelve minutes with every call."""
        self._now += self.random.randint(60_000, 720_000)
        bits = (self._now << 80) | (7 << 76) | (self.random.getrandbits(12) << 64)
        return UUID(int=bits | (2 << 62) | self.random.getrandbits(62))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random.random() < probability

    def pick(self, options: Sequence[_T]) -> _T:
        """One of them, all equally likely."""
        return self.random.choice(options)

    def day(self, first: date, last: date) -> date:
        """A day between two, both included; `first` when they are the wrong way round."""
        return first + timedelta(days=self.random.randint(0, max(0, (last - first).days)))

    def surname(self) -> str:
        """A family name, the common ones more often."""
        return self.pick(SURNAMES[:_COMMON] * 3 + SURNAMES[_COMMON:])

    def name(self, surname: str, gender: Gender, born: date) -> str:
        """A full name of its time that nobody in this world has yet."""
        pools = _ELDER if born.year < 1962 else _MIDDLE if born.year < 1996 else _YOUNG
        free = [given for given in pools[gender] if surname + given not in self._names]
        if not free:  # the pool of one surname is empty: put two halves together
            free = [
                a[0] + b[1] for a in pools[gender] for b in pools[gender] if surname + a[0] + b[1] not in self._names
            ]
        name = surname + self.pick(free)
        self._names.add(name)
        return name

    def company(self) -> tuple[str, str]:
        """Name and line of business. No registered name begins with a city's nickname."""
        while True:
            brand, industry = self.pick(_BRANDS), self.pick(INDUSTRIES)
            if brand + industry not in self._brands:
                self._brands.add(brand + industry)
                kind = "有限公司" if self.chance(0.85) else "有限责任公司"
                return f"江城{brand}{industry}{kind}", industry

    def mobile(self) -> str:
        """A mobile number, each one once."""
        return f"1380000{self._tails.pop():04d}"

    def landline(self) -> str:
        """A Wuhan landline that cannot be dialled, each one once."""
        return f"027-0000{self._tails.pop():04d}"

    def resident_id(self, born: date, gender: Gender) -> str:
        """A number with a valid check character in a county that does not exist."""
        self._serial += 1
        order = (self._serial * 2 + (gender == "male")) % 1000
        body = f"{REGION}{born:%Y%m%d}{order:03d}"
        return body + identity.id_check_character(body)

    def uscc(self) -> str:
        """A credit code with a valid check character, and a body that says what it is."""
        self._serial += 1
        body = f"91{REGION}DEM{self._serial:06d}"
        total = sum(_USCC_ALPHABET.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
        return body + _USCC_ALPHABET[-total % 31]

    def home(self) -> dict[str, Any]:
        """An address of a flat."""
        numbers = self.random.randint(1, 12), self.random.randint(1, 4), self.random.randint(2, 33)
        flat = f"{self.pick(_ESTATES)}{numbers[0]}栋{numbers[1]}单元{numbers[2]}{self.random.randint(1, 4):02d}室"
        return self._place("home", flat)

    def office(self) -> dict[str, Any]:
        """An address of a company."""
        return self._place("work", f"{self.pick(_ESTATES)}商务楼{self.random.randint(2, 28)}层")

    def _place(self, kind: str, tail: str) -> dict[str, Any]:
        detail = f"{self.pick(_ROADS)}{self.random.randint(900, 1999)}号{tail}"
        return {"kind": kind, "province": "湖北省", "city": "武汉市", "county": self.pick(COUNTIES), "detail": detail}

    def birthday(self, born: date) -> dict[str, Any]:
        """How the family keeps the birthday: the old often by the lunar calendar, some without the year."""
        if born.year < 1966 and self.chance(0.5):
            lunar = Solar.fromYmd(born.year, born.month, born.day).getLunar()
            month = lunar.getMonth()
            known = {"year": lunar.getYear(), "month": abs(month), "day": lunar.getDay()}
            known |= {"calendar": "lunar", "leap_month": month < 0}
        else:
            known = {"year": born.year, "month": born.month, "day": born.day}
            known |= {"calendar": "solar", "leap_month": False}
        if self.chance(0.06) and not known["leap_month"]:
            known["year"] = None
        return known
