#include "core/data/notes_phrases.h"

#include <stddef.h>

#define C OC_DX_CHRONIC
#define F OC_DX_FAMILY
#define I OC_DX_INFECTION

// clang-format off
const oc_dx oc_notes_dx[] = {
    {"401", "hypertension", .44, .25, -.10, -.10, C | F, OC_SYS_NONE,
     "hypertension|HTN|essential hypertension|hypertension, well controlled|"
     "long standing hypertension",
     NULL,
     "lisinopril 10 mg daily|amlodipine 5 mg daily|hydrochlorothiazide 25 mg daily|"
     "losartan 50 mg daily|atenolol 50 mg daily",
     NULL},
    {"427", "atrial fibrillation", .17, .40, .15, .15, C, OC_SYS_HEART,
     "atrial fibrillation|paroxysmal atrial fibrillation|chronic atrial fibrillation|AF",
     "Telemetry showed atrial fibrillation with rapid ventricular response.|"
     "{He} was found to be in atrial fibrillation with a rate of {110-150}.|"
     "EKG with irregular rhythm and runs of ectopy.",
     "metoprolol succinate 50 mg daily|diltiazem 120 mg daily|amiodarone 200 mg daily|"
     "digoxin 0.125 mg daily",
     "irregularly irregular|irregular rhythm, no murmurs|tachycardic and irregular"},
    {"414", "coronary artery disease", .18, .30, .05, .05, C | F, OC_SYS_NONE,
     "coronary artery disease|CAD|CAD with two vessel disease|coronary disease managed medically",
     "A stress test last month showed a reversible defect.|"
     "Prior catheterization had shown three vessel disease.",
     "aspirin 81 mg daily|metoprolol tartrate 25 mg BID|nitroglycerin 0.4 mg SL prn|"
     "isosorbide mononitrate 30 mg daily|clopidogrel 75 mg daily",
     NULL},
    {"428", "congestive heart failure", .13, .35, .35, .30, C | F, OC_SYS_LUNG,
     "congestive heart failure|CHF with EF of {20-35}%|chronic systolic heart failure|"
     "diastolic heart failure|CHF",
     "{He} reports worsening orthopnea and leg swelling.|"
     "{He} has gained {6-15} pounds and sleeps on three pillows.|"
     "BNP was markedly elevated and chest film showed pulmonary edema.",
     "furosemide 40 mg daily|carvedilol 6.25 mg BID|spironolactone 25 mg daily|"
     "torsemide 20 mg daily",
     "bibasilar crackles|rales half way up|crackles at both bases with decreased sounds"},
    {"250", "diabetes", .24, .15, .0, .10, C | F, OC_SYS_NONE,
     "diabetes mellitus type 2|type 2 diabetes|DM2 on insulin|diabetes, diet controlled|DM",
     "Fingerstick glucose was {280-480}.|Blood sugars have been poorly controlled.",
     "metformin 500 mg BID|insulin glargine 20 units at bedtime|glipizide 5 mg daily|"
     "insulin lispro sliding scale",
     NULL},
    {"272", "hyperlipidemia", .30, .15, -.10, -.10, C | F, OC_SYS_NONE,
     "hyperlipidemia|hypercholesterolemia|dyslipidemia|high cholesterol", NULL,
     "atorvastatin 40 mg daily|simvastatin 20 mg daily|pravastatin 40 mg daily|"
     "rosuvastatin 10 mg daily", NULL},
    {"530", "reflux", .13, .05, .0, .0, C, OC_SYS_NONE,
     "GERD|gastroesophageal reflux disease|reflux esophagitis|acid reflux", NULL,
     "omeprazole 20 mg daily|pantoprazole 40 mg daily|ranitidine 150 mg BID|"
     "esomeprazole 40 mg daily", NULL},
    {"496", "COPD", .12, .20, .20, .15, C, OC_SYS_LUNG,
     "COPD|COPD on home oxygen|emphysema|chronic obstructive pulmonary disease",
     "{He} has used {his} inhaler more often without relief.|"
     "{He} is on home oxygen at {2-4} liters.",
     "albuterol inhaler prn|tiotropium 18 mcg daily|fluticasone salmeterol 250/50 BID|"
     "ipratropium nebulizer prn|prednisone 10 mg daily",
     "diffuse expiratory wheezes|prolonged expiratory phase with wheezing|"
     "poor air movement, scattered wheezes"},
    {"585", "chronic kidney disease", .12, .20, .25, .15, C, OC_SYS_NONE,
     "chronic kidney disease|CKD stage 4|end stage renal disease|"
     "chronic renal insufficiency with baseline creatinine {1.8-3.4}",
     "{He} missed a session of dialysis.|Creatinine is above {his} baseline of {1.8-2.8}.",
     "sevelamer 800 mg TID|calcitriol 0.25 mcg daily|epoetin weekly|calcium acetate 667 mg TID",
     NULL},
    {"244", "hypothyroidism", .11, .10, .0, .0, C, OC_SYS_NONE,
     "hypothyroidism|hypothyroid|thyroid disease on replacement", NULL,
     "levothyroxine 75 mcg daily|levothyroxine 100 mcg daily|levothyroxine 50 mcg daily", NULL},
    {"311", "depression", .11, -.15, .0, .05, C, OC_SYS_NONE,
     "depression|major depression|depressive disorder", NULL,
     "sertraline 50 mg daily|citalopram 20 mg daily|fluoxetine 20 mg daily|"
     "bupropion 150 mg daily|trazodone 50 mg at bedtime", NULL},
    {"424", "valvular disease", .07, .35, .05, .15, C, OC_SYS_HEART,
     "moderate aortic stenosis|severe mitral regurgitation|aortic stenosis|mitral valve prolapse",
     "Echo showed a valve area of 0.{6-9} cm2.|Serial echocardiograms have shown worsening "
     "stenosis.", NULL,
     "{2-4}/6 systolic murmur at the upper sternal border|holosystolic murmur at the apex|"
     "harsh systolic murmur radiating to the neck"},
    {"403", "hypertensive kidney disease", .03, .20, .15, .10, C, OC_SYS_LIMBS,
     "hypertensive nephropathy|hypertensive kidney disease on hemodialysis|"
     "renal failure due to hypertension", NULL,
     "labetalol 200 mg BID|clonidine 0.1 mg BID|hydralazine 25 mg TID|nephrocaps daily",
     "left arm fistula with thrill|AV fistula in the left forearm"},
    {"V458", "prior bypass surgery", .09, .25, -.05, .0, C, OC_SYS_NONE,
     "status post CABG|s/p bypass surgery x{3-4}|prior stent to the LAD|s/p PCI with stents", NULL,
     "aspirin 325 mg daily|clopidogrel 75 mg daily", NULL},
    {"V586", "anticoagulation", .09, .25, .0, .05, C, OC_SYS_NONE,
     "on chronic anticoagulation|long term coumadin use|anticoagulated with warfarin",
     "INR on arrival was {2.2-5.8}.",
     "warfarin 5 mg daily|warfarin 2.5 mg daily|coumadin as directed|enoxaparin 60 mg BID", NULL},
    {"V104", "cancer in the past", .036, .35, .05, .0, C, OC_SYS_NONE,
     "prostate cancer s/p radiation|history of breast cancer, in remission|"
     "remote colon cancer s/p resection|bladder cancer treated years ago",
     NULL, "tamoxifen 20 mg daily|leuprolide every three months", NULL},
    {"493", "asthma", .036, -.25, -.05, -.05, C | F, OC_SYS_LUNG,
     "asthma|mild intermittent asthma|asthma with one prior intubation",
     "Peak flow was {120-220}.|Symptoms began after exposure to a cat.",
     "albuterol inhaler prn|montelukast 10 mg daily|fluticasone inhaler BID",
     "scattered wheezes|inspiratory and expiratory wheezes"},
    {"733", "osteoporosis", .036, .60, .0, .05, C, OC_SYS_NONE,
     "osteoporosis|osteopenia|osteoporosis with compression fractures", NULL,
     "alendronate 70 mg weekly|calcium carbonate 500 mg TID|vitamin D 800 units daily", NULL},
    {"600", "prostate enlargement", .03, .55, .0, .0, C, OC_SYS_NONE,
     "BPH|benign prostatic hypertrophy|enlarged prostate", NULL,
     "tamsulosin 0.4 mg at bedtime|finasteride 5 mg daily|terazosin 2 mg at bedtime", NULL},
    {"274", "gout", .03, .20, .0, .0, C, OC_SYS_LIMBS,
     "gout|gouty arthritis|gout, last flare in the spring", NULL,
     "allopurinol 100 mg daily|colchicine 0.6 mg prn|allopurinol 300 mg daily",
     "tophi over the left elbow|swollen first toe"},
    {"571", "cirrhosis", .03, -.10, .70, .20, C, OC_SYS_ABDOMEN,
     "cirrhosis|alcoholic cirrhosis|cirrhosis complicated by ascites and varices|"
     "end stage liver disease",
     "{He} was recently evaluated for liver transplant.|"
     "{He} has had increasing jaundice and abdominal girth.",
     "lactulose 30 ml TID|nadolol 20 mg daily|rifaximin 550 mg BID|spironolactone 100 mg daily",
     "distended with fluid wave|tense ascites, caput medusae|distended, shifting dullness"},
    {"070", "hepatitis C", .024, -.30, .05, .0, C, OC_SYS_NONE,
     "hepatitis C|chronic hepatitis C, untreated|HCV genotype 1|hepatitis B carrier", NULL,
     "interferon weekly|ribavirin 400 mg BID", NULL},
    {"042", "HIV", .009, -.60, .25, .15, C, OC_SYS_SKIN,
     "HIV|HIV with CD4 count of {40-380}|AIDS, on antiretrovirals",
     "Last viral load was undetectable.|{He} stopped {his} antiretrovirals months ago.",
     "truvada daily|efavirenz 600 mg at bedtime|bactrim DS daily|atazanavir 300 mg daily",
     "facial wasting|oral thrush"},
    {"197", "liver metastases", .021, .10, 1.10, .05, C, OC_SYS_ABDOMEN,
     "metastatic cancer to liver and lung|stage IV cancer with liver metastases|"
     "widely metastatic disease",
     "CT showed innumerable hepatic metastases.|"
     "{He} progressed through second line chemotherapy.|Oncology has discussed goals of care.",
     "oxycodone 5 mg q4h prn|fentanyl patch 50 mcg|dexamethasone 4 mg BID|megestrol 400 mg daily",
     "firm, nodular liver edge|hepatomegaly"},
    {"198", "bone metastases", .018, .10, .90, .05, C, OC_SYS_NEURO,
     "bone metastases|brain metastases s/p radiation|metastatic disease to spine",
     "MRI showed new vertebral metastases.|{He} received whole brain radiation last month.",
     "morphine sustained release 30 mg BID|dexamethasone 4 mg BID|levetiracetam 500 mg BID",
     "mild left pronator drift|strength 4/5 in both legs"},
    {"162", "lung cancer", .012, .20, .80, .0, C | F, OC_SYS_LUNG,
     "lung cancer|non small cell lung cancer|small cell lung cancer on chemotherapy",
     "CT chest showed a {3-7} cm mass in the right upper lobe.|"
     "Biopsy of the mass showed adenocarcinoma.",
     "oxycodone 5 mg q4h prn|megestrol 400 mg daily|prochlorperazine 10 mg prn",
     "absent sounds on the right|dullness at the right base"},
    {"174", "breast cancer", .009, .0, .25, -.05, C | F, OC_SYS_NONE,
     "breast cancer on chemotherapy|breast cancer s/p mastectomy", NULL,
     "letrozole 2.5 mg daily|anastrozole 1 mg daily", NULL},
    {"153", "colon cancer", .009, .30, .35, .10, C | F, OC_SYS_ABDOMEN,
     "colon cancer|sigmoid cancer with recent resection",
     "Colonoscopy last month found an obstructing mass.|CEA has been rising.",
     "ondansetron 8 mg prn|capecitabine BID",
     "healing midline incision|palpable mass in the left lower quadrant"},
    {"303", "alcohol dependence", .021, -.35, .05, .05, C | F, OC_SYS_NEURO,
     "alcohol dependence|alcoholism with prior withdrawal seizures|alcohol abuse",
     "Last drink was {6-30} hours before arrival.|{He} was placed on a CIWA scale.",
     "thiamine 100 mg daily|folic acid 1 mg daily|multivitamin daily",
     "tremulous|coarse tremor of both hands"},
    {"304", "drug dependence", .012, -.70, .05, .05, C, OC_SYS_SKIN,
     "heroin use|intravenous drug use|opioid dependence on methadone|cocaine use",
     "Toxicology screen was positive for opiates.",
     "methadone 60 mg daily|buprenorphine 8 mg daily",
     "track marks on both arms|old injection scars"},
    {"345", "seizures", .018, -.10, .05, .0, C | F, OC_SYS_NONE,
     "seizure disorder|epilepsy|seizures since childhood",
     "A generalized seizure lasted {2-6} minutes.",
     "levetiracetam 500 mg BID|phenytoin 300 mg daily|valproate 500 mg BID", NULL},
    {"331", "dementia", .018, 1.00, .30, .05, C | F, OC_SYS_NEURO,
     "dementia|Alzheimer's dementia|advanced dementia, nonverbal at baseline", NULL,
     "donepezil 10 mg daily|memantine 10 mg BID|quetiapine 25 mg at bedtime",
     "oriented to self only|pleasantly confused, oriented x1"},
    {"332", "Parkinson's disease", .009, .70, .10, .10, C | F, OC_SYS_NEURO,
     "Parkinson's disease|parkinsonism", NULL, "carbidopa levodopa 25/100 TID|ropinirole 1 mg TID",
     "cogwheel rigidity|resting tremor, masked facies"},
    {"443", "peripheral vascular disease", .03, .30, .10, .15, C, OC_SYS_LIMBS,
     "peripheral vascular disease|PVD s/p fem-pop bypass|claudication",
     "{He} has had rest pain in the right foot.",
     "cilostazol 100 mg BID|pentoxifylline 400 mg TID",
     "cool feet, dopplerable pulses only|absent pedal pulses"},
    {"278", "obesity", .036, -.30, -.10, .05, C, OC_SYS_ABDOMEN,
     "morbid obesity|obesity|obesity with BMI of {38-52}", NULL, NULL,
     "obese, soft|obese, nontender"},
    {"327", "sleep apnea", .03, -.10, -.05, .05, C, OC_SYS_NONE,
     "obstructive sleep apnea|OSA on CPAP|sleep apnea", NULL,
     "CPAP at night|modafinil 200 mg daily", NULL},
    {"357", "neuropathy", .021, .10, .0, .05, C, OC_SYS_NEURO,
     "peripheral neuropathy|diabetic neuropathy|neuropathy", NULL,
     "gabapentin 300 mg TID|pregabalin 75 mg BID",
     "decreased sensation in a stocking distribution|reduced vibration sense at the toes"},
    {"416", "pulmonary hypertension", .024, .20, .20, .15, C, OC_SYS_HEART,
     "pulmonary hypertension|cor pulmonale|elevated pulmonary pressures",
     "Estimated pulmonary pressure was {45-80} mmHg.", "sildenafil 20 mg TID|bosentan 125 mg BID",
     "loud P2|right ventricular heave"},
    {"425", "cardiomyopathy", .021, -.05, .20, .15, C | F, OC_SYS_HEART,
     "nonischemic cardiomyopathy|dilated cardiomyopathy with EF of {15-25}%|cardiomyopathy",
     NULL, "carvedilol 12.5 mg BID|enalapril 5 mg BID", "displaced apex, S3 gallop|S3 present"},
    {"412", "old infarction", .07, .30, .0, .0, C | F, OC_SYS_NONE,
     "prior MI|old myocardial infarction|inferior MI years ago", NULL,
     "aspirin 325 mg daily|metoprolol tartrate 50 mg BID", NULL},
    {"714", "rheumatoid arthritis", .012, .10, .0, .10, C | F, OC_SYS_LIMBS,
     "rheumatoid arthritis|RA on methotrexate", NULL,
     "methotrexate weekly|prednisone 5 mg daily|hydroxychloroquine 200 mg BID",
     "ulnar deviation of both hands|swan neck deformities"},
    {"296", "bipolar disorder", .012, -.35, -.05, .10, C | F, OC_SYS_NONE,
     "bipolar disorder|bipolar disease with prior admissions", NULL,
     "lithium 300 mg BID|quetiapine 200 mg at bedtime|lamotrigine 100 mg daily", NULL},
    {"300", "anxiety", .036, -.25, -.05, .0, C, OC_SYS_NONE,
     "anxiety|panic attacks|anxiety disorder", NULL,
     "lorazepam 0.5 mg prn|clonazepam 0.5 mg BID|buspirone 10 mg BID", NULL},
    {"285", "anemia", .17, .15, .10, .15, C, OC_SYS_NONE,
     "anemia|chronic anemia|anemia of chronic disease",
     "Hematocrit had fallen to {21-26}.|{He} was noted to be anemic.",
     "ferrous sulfate 325 mg daily|iron BID|cyanocobalamin monthly", NULL},
    {"584", "acute kidney injury", .11, .15, .40, .30, 0, OC_SYS_NONE, NULL,
     "Creatinine was {2.2-5.6}, up from {0.8-1.3}.|"
     "{He} had made little urine since the day before.|Acute renal failure was noted on arrival.",
     NULL, NULL},
    {"518", "respiratory failure", .10, .05, .65, .55, 0, OC_SYS_LUNG, NULL,
     "{He} was hypoxic and in respiratory distress.|{He} tired and required intubation.|"
     "ABG showed pH 7.{12-28} with pCO2 {55-88}.",
     NULL,
     "coarse breath sounds bilaterally|using accessory muscles|diminished with rhonchi throughout"},
    {"038", "sepsis", .018, .15, .65, .45, I, OC_SYS_SKIN, NULL,
     "Blood cultures grew gram negative rods.|Blood cultures were positive in {2-4} of 4 "
     "bottles.|{He} met criteria for sepsis.", NULL, "flushed, warm skin|mottled knees"},
    {"785", "shock", .012, .10, .85, .35, 0, OC_SYS_LIMBS, NULL,
     "{He} remained hypotensive despite {3-6} liters of fluid.|"
     "Pressors were started through a central line.|Systolic pressure was in the 70s.", NULL,
     "cool and clammy|cold, delayed capillary refill"},
    {"486", "pneumonia", .036, .25, .20, .15, I, OC_SYS_LUNG, "pneumonia last winter",
     "Chest film showed a new right lower lobe infiltrate.|"
     "{He} has had a productive cough and fevers.|"
     "Chest x-ray with left lower lobe consolidation.",
     "levofloxacin 500 mg daily",
     "crackles at the right base|bronchial breath sounds on the left|rhonchi on the right"},
    {"507", "aspiration", .012, .40, .40, .35, I, OC_SYS_LUNG, NULL,
     "A witnessed aspiration event was reported.|{He} was found with emesis around {his} mouth.",
     NULL, "coarse rhonchi at the right base|gurgling upper airway sounds"},
    {"599", "urinary infection", .08, .35, .0, .10, I, OC_SYS_ABDOMEN,
     "recurrent urinary tract infections",
     "Urinalysis was positive for nitrites and leukocytes.|{He} reports burning with urination.|"
     "Urine culture grew E. coli.", "nitrofurantoin 100 mg BID",
     "suprapubic tenderness|mild flank tenderness"},
    {"276", "electrolyte disorder", .14, .10, .20, .20, 0, OC_SYS_NONE, NULL,
     "Sodium was {118-128}.|Potassium was {5.8-7.2} with peaked T waves.|"
     "Bicarbonate was {10-17} with an anion gap.|Electrolytes were repleted.",
     "potassium chloride 20 meq daily", NULL},
    {"410", "myocardial infarction", .012, .20, .30, .0, 0, OC_SYS_NONE, NULL,
     "EKG showed ST elevations in the inferior leads.|Troponin rose to {1.2-9.8}.|"
     "Troponin peaked at {2.4-9.9} with ST depressions.", "aspirin 325 mg daily", NULL},
    {"430", "subarachnoid hemorrhage", .002, .0, .70, .80, 0, OC_SYS_NECK, NULL,
     "CT showed diffuse subarachnoid blood.|Angiogram showed a {4-9} mm aneurysm.", NULL,
     "neck stiff|meningismus"},
    {"431", "intracerebral hemorrhage", .004, .30, .85, .40, 0, OC_SYS_NEURO, NULL,
     "CT head showed a {3-6} cm hemorrhage with midline shift.|CT showed a thalamic bleed.", NULL,
     "dense right hemiplegia|left gaze preference, right side flaccid"},
    {"434", "stroke", .005, .40, .35, .25, 0, OC_SYS_NEURO,
     "stroke with residual weakness|prior CVA",
     "MRI showed an acute infarct in the middle cerebral territory.|"
     "{He} had sudden right sided weakness and slurred speech.", "aspirin dipyridamole BID",
     "right facial droop, arm drift|aphasic, right arm 2/5"},
    {"578", "gastrointestinal bleeding", .012, .15, .15, .05, 0, OC_SYS_ABDOMEN,
     "GI bleed two years ago",
     "NG lavage returned coffee grounds.|{He} passed a large amount of maroon stool.|"
     "{He} had {2-5} episodes of melena at home.", "pantoprazole 40 mg BID",
     "guaiac positive stool|rectal exam with melena"},
    {"577", "pancreatitis", .006, -.15, .15, .40, 0, OC_SYS_ABDOMEN, "prior pancreatitis",
     "Lipase was {900-4800}.|CT showed peripancreatic stranding.", "pancrelipase with meals",
     "tender in the epigastrium with guarding|epigastric tenderness"},
    {"415", "pulmonary embolism", .007, .10, .30, .15, 0, OC_SYS_NONE,
     "pulmonary embolism after surgery",
     "CT angiogram showed bilateral pulmonary emboli.|A saddle embolus was seen on CT.", NULL,
     NULL},
    {"682", "cellulitis", .012, .0, -.05, .05, I, OC_SYS_LIMBS, NULL,
     "Redness had spread from the ankle to the knee.|{He} failed a course of oral cephalexin.",
     "cephalexin 500 mg QID", "erythema and warmth of the left leg|indurated, red right shin"},
    {"820", "hip fracture", .003, .80, .10, .20, 0, OC_SYS_LIMBS, NULL,
     "Films showed a displaced femoral neck fracture.|X-ray showed an intertrochanteric fracture.",
     NULL, "right leg shortened and externally rotated|left hip tender, leg rotated"},
    {"852", "subdural hematoma", .005, .30, .35, .25, 0, OC_SYS_NEURO, NULL,
     "CT showed an acute subdural hematoma of {6-18} mm.|A mixed density subdural was found.", NULL,
     "scalp laceration, moves all extremities|drowsy, pupils equal"},
    {"807", "rib fractures", .004, .20, .10, .15, 0, OC_SYS_LUNG, NULL,
     "CT showed fractures of ribs {4-6} through {7-9}.", NULL,
     "chest wall crepitus|splinting, tender left chest wall"},
    {"574", "gallstones", .009, .05, -.15, .05, 0, OC_SYS_ABDOMEN, "gallstones",
     "Ultrasound showed stones and a dilated common duct.|Bilirubin was {3.1-8.8}.",
     "ursodiol 300 mg BID", "positive Murphy sign|right upper quadrant tenderness"},
    {"441", "aortic aneurysm", .005, .40, .30, .20, C, OC_SYS_ABDOMEN,
     "abdominal aortic aneurysm|thoracic aneurysm followed by CT",
     "CT showed a {5-8} cm aneurysm.|Imaging showed a type B dissection.", "labetalol 200 mg BID",
     "pulsatile mass"},
    {"E888", "fall", .006, .70, .05, .05, 0, OC_SYS_SKIN, NULL,
     "{He} fell from standing and struck {his} head.|{He} tripped on a rug and could not get up.|"
     "A neighbor found {him} on the floor.", NULL,
     "ecchymosis over the forehead|multiple bruises and abrasions"},
    {"998", "surgical complication", .015, .0, .05, .30, 0, OC_SYS_ABDOMEN,
     "wound infection after surgery",
     "The wound had been draining since discharge from surgery.|"
     "CT showed a fluid collection at the surgical site.", "cephalexin 500 mg QID",
     "incision with purulent drainage|wound open, packed"},
    {"348", "encephalopathy", .015, .30, .35, .25, 0, OC_SYS_NEURO, NULL,
     "{He} became lethargic and did not recognize family.|EEG showed diffuse slowing.", NULL,
     "asterixis, slow to respond|somnolent, arouses to voice"},
    {NULL, NULL, 0, 0, 0, 0, 0, OC_SYS_NONE, NULL, NULL, NULL, NULL},
};

const oc_problem oc_notes_problems[] = {
    {"chest pain|chest pressure|chest pain at rest|substernal chest pain", 2.25, -.15, -.35,
     "410 414", "272 401 427",
     "Pain woke {him} from sleep and radiated to the left arm.|"
     "The pressure was {6-10}/10 and eased with nitroglycerin.|"
     "Pain came on while climbing stairs and lasted {20-90} minutes.|"
     "{He} was given aspirin and heparin by EMS.",
     "chest pain,diaphoresis,nausea,shortness of breath",
     "EKG was concerning for ischemia.|Cardiac enzymes were cycled.|"
     "Echo showed apical hypokinesis."},
    {"exertional angina|chest pain with exertion|positive stress test|coronary disease for surgery",
     2.25, -.55, .10, "414", "424 272 401 250",
     "{He} has had exertional chest pain for {2-8} months.|"
     "{He} was referred for surgical evaluation.|Elective catheterization showed left main "
     "disease.|Symptoms now occur with minimal activity.",
     "chest pain,fatigue",
     "Carotid studies showed no significant stenosis.|Preoperative testing was completed."},
    {"dyspnea on exertion|aortic stenosis|fatigue and dyspnea|murmur", .64, -.40, .20, "424",
     "428 427 416",
     "{He} has become short of breath with one flight of stairs.|"
     "{He} has been followed for a murmur for years.|{He} was referred for valve surgery.",
     "shortness of breath,fatigue,lightheadedness",
     "Echo showed preserved function with severe stenosis.|"
     "Catheterization showed clean coronaries."},
    {"shortness of breath|dyspnea|worsening leg swelling|SOB", 2.25, .05, .0, "428",
     "427 584 425 518 276",
     "{He} ran out of {his} water pill last week.|{He} ate a salty meal before symptoms began.|"
     "{He} could not lie flat last night.|Dyspnea has progressed over {3-10} days.",
     "shortness of breath,orthopnea,leg swelling,fatigue",
     "Chest film showed vascular congestion and effusions.|BNP was {900-4800}.|"
     "{He} was diuresed with good effect."},
    {"respiratory distress|hypoxia|shortness of breath|cough and dyspnea", 1.44, .15, .10,
     "496 518", "486 428 300 276",
     "{He} called EMS for worsening breathing.|{He} received nebulizers and steroids en route.|"
     "Sputum has turned from white to green.|BiPAP was tried in the ED.",
     "shortness of breath,cough,wheezing",
     "Chest film showed hyperinflation.|ABG showed carbon dioxide retention."},
    {"fever and cough|cough|pneumonia|fever", 1.69, .10, .05, "486", "518 038 276 496",
     "{He} had {3-7} days of cough with green sputum.|A grandchild at home was ill.|"
     "{He} was treated with azithromycin without improvement.|Rigors began the night before.",
     "cough,fever,chills,shortness of breath",
     "Chest film showed a lobar opacity.|Sputum was sent for culture.|Flu swab was negative."},
    {"hypotension|fever and hypotension|sepsis|lethargy", 1.44, .45, .35, "038 785",
     "584 599 518 276 486",
     "{He} was found febrile to 10{2-4} and hypotensive.|"
     "Fluids were given with transient response.|The nursing staff noted low blood pressure.|"
     "A source was sought with CT and cultures.",
     "fever,chills,weakness,confusion",
     "Broad spectrum antibiotics were given.|Urine was cloudy.|"
     "Cultures were drawn before antibiotics."},
    {"altered mental status|confusion|unresponsive|lethargy", 1.21, .30, .10, "348",
     "599 276 584 345 507",
     "Family noted {he} was not making sense.|{He} was last seen normal the evening before.|"
     "{He} was difficult to arouse this morning.|EMS found a fingerstick of {60-140}.",
     "confusion,weakness",
     "CT head showed no acute process.|Toxicology screen was sent.|Ammonia was elevated."},
    {"melena|hematemesis|GI bleed|bright red blood per rectum", 1.21, .0, -.25, "578 285",
     "V586 571 584 530",
     "{He} vomited about a cup of blood.|{He} has taken ibuprofen daily for back pain.|"
     "{He} felt faint on standing.|{He} was transfused {2-4} units before transfer.",
     "melena,lightheadedness,abdominal pain,fatigue",
     "GI was consulted for endoscopy.|Two large bore lines were placed.|NG lavage was performed."},
    {"abdominal pain|epigastric pain|nausea and vomiting", .64, -.15, .20, "577", "574 303 276 584",
     "Pain radiates to the back and is worse after eating.|"
     "{He} has not kept food down for {2-4} days.|{He} had been drinking heavily.|"
     "Pain was {7-10}/10 and constant.",
     "abdominal pain,nausea,vomiting",
     "CT showed inflammation of the pancreas.|Lipase was elevated."},
    {"right upper quadrant pain|jaundice|abdominal pain and fever", .49, -.15, .0, "574",
     "038 571 401",
     "{He} noticed dark urine and pale stools.|Pain followed a fatty meal.|"
     "Fever to 10{1-3} developed overnight.",
     "abdominal pain,fever,nausea,jaundice",
     "Ultrasound showed ductal dilation.|Surgery and GI were consulted."},
    {"abdominal distension|ascites|jaundice and confusion", .49, .35, .10, "571",
     "348 070 584 303 285 276",
     "Paracentesis {2-4} weeks ago removed {4-8} liters.|"
     "Family reports poor lactulose adherence.|{He} has been more jaundiced and sleepy.",
     "abdominal pain,confusion,leg swelling,jaundice",
     "Diagnostic tap was performed.|Ultrasound showed patent portal vein.|MELD was {18-34}."},
    {"headache|worst headache of life|collapse", .25, .40, .55, "430", "345 348 401 518",
     "Headache was sudden and severe.|{He} collapsed at work.|{He} was transferred by helicopter.",
     "headache,vomiting,neck stiffness",
     "CT angiogram showed an aneurysm.|Neurosurgery was called."},
    {"right sided weakness|slurred speech|left sided weakness|facial droop", .81, .10, .05, "434",
     "427 401 272 250",
     "Symptoms were noticed on waking.|{He} dropped a cup and could not speak.|"
     "Time last well was {2-12} hours ago.",
     "weakness,numbness,trouble speaking",
     "Perfusion imaging showed a mismatch.|NIH stroke scale was {4-22}."},
    {"unresponsive|sudden weakness and vomiting|found down", .25, .60, .10, "431",
     "401 518 V586 348",
     "{He} was found down by {his} wife.|{He} complained of headache and then vomited.|"
     "Blood pressure was {190-240}/{100-130} in the field.",
     "headache,vomiting,weakness",
     "Repeat CT showed expansion of the bleed.|Neurosurgery did not recommend evacuation."},
    {"fall|trauma|s/p fall|head injury", 1.21, .0, .05, "E888 852", "807 V586 331 401",
     "There was no loss of consciousness.|{He} was taking blood thinners at the time.|"
     "{He} fell down {4-14} stairs.|A collar was placed by EMS.",
     "headache,neck pain",
     "CT of the spine was negative.|Trauma surgery evaluated {him}.|Repeat CT was stable."},
    {"hip pain|fall with hip pain|hip fracture", .36, .0, .10, "820 E888", "733 331 401 285",
     "{He} slipped in the bathroom and could not bear weight.|{He} lay on the floor overnight.|"
     "{He} walks with a cane at baseline.",
     "hip pain", "Orthopedics was consulted.|{He} was kept NPO for surgery."},
    {"rib pain|motor vehicle accident|MVC|trauma", .36, -.05, .15, "807", "518 852 303 285",
     "{He} was a restrained driver.|{He} was struck by a car at low speed.|"
     "Airbags deployed and extrication took {10-40} minutes.",
     "chest wall pain,back pain", "FAST exam was negative.|Small pneumothorax was seen."},
    {"leg swelling and dyspnea|pleuritic chest pain|syncope", .49, .05, -.05, "415",
     "V104 V586 518 416",
     "{He} had returned from a long flight.|{He} had knee surgery {2-5} weeks ago.|"
     "Heparin was started in the ED.",
     "shortness of breath,leg swelling,syncope,chest pain",
     "CT angiogram confirmed emboli.|Doppler showed clot in the left leg.|"
     "Echo showed right heart strain."},
    {"leg pain and redness|cellulitis|leg wound", .49, -.25, -.05, "682", "250 278 443 038",
     "Redness began after a scratch.|{He} failed oral antibiotics.|"
     "The edge had moved past the marked line.",
     "leg pain,fever,chills", "Plain films showed no gas.|Vancomycin was started."},
    {"renal failure|decreased urine output|abnormal labs|hyperkalemia", 1.00, .10, .05, "584 276",
     "585 250 428 599",
     "Routine labs showed a creatinine of {4.1-8.8}.|{He} had poor oral intake for a week.|"
     "{He} was taking naproxen for joint pain.|Renal was consulted.",
     "fatigue,decreased appetite,nausea",
     "Renal ultrasound showed no obstruction.|Calcium and insulin were given."},
    {"weakness|failure to thrive|weight loss|pain control", .64, .60, -.10, "197",
     "162 198 285 276 153",
     "{He} has lost {15-40} pounds in {2-5} months.|{He} received chemotherapy {5-20} days ago.|"
     "Pain is no longer controlled at home.",
     "fatigue,weight loss,decreased appetite,back pain",
     "CT showed progression of disease.|Palliative care was consulted."},
    {"palpitations|rapid heart rate|atrial fibrillation", .64, -.30, -.40, "427", "424 428 401 244",
     "{He} felt {his} heart racing after dinner.|Rate was {130-170} on arrival and slowed with "
     "diltiazem.|{He} had a prior cardioversion.",
     "palpitations,lightheadedness,shortness of breath",
     "TSH was sent.|Echo showed left atrial enlargement."},
    {"seizure|witnessed seizure|convulsions", .49, -.10, -.10, "345", "303 348 507 304",
     "{He} had a generalized seizure at home.|{He} had missed doses of {his} seizure medicine.|"
     "Lorazepam was given by EMS.",
     "confusion,headache", "EEG was ordered.|CT head was unremarkable."},
    {"abdominal pain and back pain|aneurysm|aneurysm for repair", .36, .15, .25, "441",
     "443 401 414 496 584",
     "The aneurysm was found on a routine scan.|Pain was tearing and went to the back.|"
     "{He} was referred to vascular surgery.",
     "back pain,abdominal pain",
     "CT angiogram defined the anatomy.|Esmolol was started for pressure control."},
    {"wound drainage|fever after surgery|postoperative infection", .49, -.05, .35, "998",
     "038 153 250 278",
     "{He} was discharged {5-14} days after an operation.|{He} noted foul drainage and fevers.|"
     "The surgical team opened the wound.",
     "fever,abdominal pain,chills", "CT showed an abscess.|Cultures grew staph aureus."},
    {"overdose|alcohol withdrawal|intoxication", .64, -.30, -.35, "303 304", "311 276 507 300 296",
     "{He} was found with an empty pill bottle.|{He} was brought in by police.|"
     "{He} has been drinking a pint of vodka daily.|Naloxone was given with effect.",
     "tremor,nausea,confusion",
     "Toxicology screen was positive.|Acetaminophen level was negative.|"
     "Alcohol level was {180-420}."},
    {NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL},
};

const oc_px oc_notes_px[] = {
    {"960", .02, .55, .25, "518:.55 431:.45 430:.4 785:.25 507:.2 345:.1",
     "{He} was intubated for airway protection.|{He} was intubated and placed on the ventilator.|"
     "The airway was secured before transfer.", "intubated once in {yr}"},
    {"967", .01, .30, .35, "p960:.88 518:.12",
     "{He} arrived on the ventilator.|Ventilator settings were adjusted on arrival.", NULL},
    {"939", .01, .25, .05, "496:.2 428:.15 518:.12 327:.12",
     "{He} was placed on BiPAP.|Noninvasive ventilation was started.", "prior BiPAP use in {yr}"},
    {"389", .12, .40, .15, "785:.6 038:.35 584:.15 577:.15",
     "A central line was placed in the right internal jugular.|"
     "A central venous catheter was placed under ultrasound.|"
     "PICC line is planned for antibiotics.", "PICC line in {yr}, since removed"},
    {"990", .05, .20, .05, "578:.6 285:.3 820:.25 571:.2",
     "{He} is being transfused {2-4} units of red cells.|Blood was ordered on arrival.",
     "transfused in {yr} without reaction"},
    {"885", .01, .0, .0, "410:.75 414:.28 424:.25",
     "{He} is going for coronary angiography.|The catheterization laboratory was activated.",
     "coronary angiogram in {yr} without obstruction"},
    {"372", .01, .0, .0, "p885:.85 424:.15",
     "Left heart catheterization is planned.|{He} will have cardiac catheterization today.",
     "cardiac catheterization in {yr}"},
    {"66", .002, .0, -.25, "410:.45 p885:.2",
     "PCI of the culprit lesion is planned.|Angioplasty is planned.", "angioplasty in {yr}"},
    {"40", .001, .0, -.05, "p66:.85", "A single vessel will be treated.", NULL},
    {"45", .001, .0, -.05, "p66:.8", "A stent will be placed.|Stenting of the LAD is planned.",
     NULL},
    {"361", .005, -.30, .25, "414:.22",
     "{He} is scheduled for coronary bypass surgery.|Bypass grafting is planned in the morning.|"
     "Cardiac surgery will take {him} for CABG.", NULL},
    {"352", .003, -.25, .25, "424:.33",
     "Valve replacement is planned.|{He} is admitted for aortic valve replacement.",
     "valve repair in {yr}"},
    {"396", .003, -.20, .10, "p361:.85 p352:.85", "Surgery on pump is planned.", NULL},
    {"887", .06, .05, .0, "424:.2 428:.2 415:.2 427:.1",
     "An echocardiogram was ordered.|Ultrasound of the heart is pending.",
     "normal echocardiogram in {yr}"},
    {"399", .005, .25, .20, "585:.33 403:.4 584:.12",
     "Hemodialysis is planned for today.|Renal will dialyze {him} urgently.|"
     "A dialysis catheter was placed.", "briefly on dialysis in {yr}"},
    {"966", .02, .45, .35, "p960:.28 434:.15 331:.1 507:.2",
     "Tube feeds were started.|A feeding tube was placed.", NULL},
    {"549", .003, .10, .05, "571:.45",
     "Paracentesis is planned.|A diagnostic tap of the ascites will be done.",
     "paracentesis in {yr}"},
    {"349", .008, .10, .05, "428:.06 162:.25 486:.08",
     "Thoracentesis is planned.|The effusion will be tapped.", "thoracentesis in {yr}"},
    {"340", .005, .10, .15, "807:.35 162:.1",
     "A chest tube was placed on the right.|A chest tube drained {400-1200} ml.",
     "chest tube in {yr}"},
    {"332", .01, .35, .15, "507:.25 486:.12 162:.25 518:.06",
     "Bronchoscopy is planned.|{He} will undergo bronchoscopy with lavage.",
     "bronchoscopy in {yr}, normal"},
    {"311", .003, .50, .70, "p967:.09", "Tracheostomy is being considered.",
     "tracheostomy in {yr}, closed since"},
    {"431", .004, .30, .45, "434:.12 331:.06 p311:.6 332:.05",
     "A gastrostomy tube is planned.|PEG placement was discussed.", "PEG in {yr}, removed"},
    {"451", .004, .0, .0, "578:.55 571:.1 285:.05",
     "Upper endoscopy is planned for the morning.|EGD will be performed.",
     "EGD in {yr} with gastritis"},
    {"452", .004, .0, .0, "578:.22 153:.3",
     "Colonoscopy is planned after prep.|{He} will have a colonoscopy.",
     "colonoscopy in {yr} with polyps"},
    {"377", .002, .0, .05, "427:.06", "Pacemaker placement is planned.|A pacing wire was placed.",
     "pacemaker in {yr}"},
    {"379", .002, .0, .10, "425:.2 427:.03", "ICD placement is planned.", "ICD in {yr}"},
    {"996", .003, .0, -.05, "427:.12",
     "Cardioversion was performed in the ED.|Electrical cardioversion is planned.",
     "cardioversion in {yr}"},
    {"331", .008, .10, .05, "348:.3 430:.15 345:.15",
     "A lumbar puncture was performed.|Lumbar puncture is planned.",
     "lumbar puncture in {yr}, normal"},
    {"124", .002, .15, .35, "852:.28 431:.12 430:.25 198:.08",
     "{He} is going for craniotomy.|Evacuation of the hematoma is planned.", "craniotomy in {yr}"},
    {"221", .001, .25, .45, "430:.5 431:.15", "An external ventricular drain was placed.", NULL},
    {"884", .006, .0, .10, "430:.65 434:.12 441:.2 443:.15",
     "An angiogram is planned.|Cerebral angiography will be done.", "leg angiogram in {yr}"},
    {"387", .003, .0, .10, "415:.25 198:.04",
     "An IVC filter is planned.|A filter was placed because of bleeding risk.",
     "IVC filter in {yr}"},
    {"511", .002, .0, .0, "574:.4 577:.1",
     "ERCP is planned.|{He} will have ERCP with stone removal.", "ERCP in {yr}"},
    {"512", .003, -.10, .05, "574:.33",
     "Cholecystectomy is planned.|The gallbladder will be removed.", NULL},
    {"541", .003, .15, .30, "998:.22 153:.15",
     "{He} is going to the operating room for laparotomy.|Exploratory laparotomy is planned.",
     "laparotomy in {yr} for adhesions"},
    {"793", .002, .0, .10, "820:.6",
     "Operative fixation is planned.|Orthopedics plans internal fixation.",
     "ankle fixation in {yr}"},
    {"815", .002, .0, .05, "820:.32", "Hemiarthroplasty is planned.", "hip replacement in {yr}"},
    {"862", .004, .05, .25, "682:.22 998:.3",
     "Debridement is planned.|The wound was debrided at the bedside.", "wound debridement in {yr}"},
    {"384", .001, .05, .35, "441:.28", "Open repair of the aneurysm is planned.", NULL},
    {"397", .001, -.10, .0, "441:.35",
     "Endovascular repair is planned.|A stent graft will be placed.", NULL},
    {"991", .004, .0, .0, "434:.2 415:.12",
     "{He} received tPA.|Thrombolysis was given at the outside hospital.", NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const char *const oc_notes_opening =
    "{age} year old {man} with {pmh} who presents with {cc}."
    "|This is a {age} year old {man} with a history of {pmh} presenting with {cc} for {2-6} days."
    "|{age} yo {man} with {pmh} admitted with {cc}."
    "|The patient is a {age} year old {man} with past medical history of {pmh}, transferred from "
    "an outside hospital with {cc}."
    "|{age} year old {man}, history notable for {pmh}, brought in by ambulance for {cc}."
    "|{He} is a {age} year old {man} with known {pmh} who came to the emergency department with "
    "{cc} since {3-9} pm the day before." ;

const char *const oc_notes_appearance[5] = {
    "well appearing, comfortable, no distress|pleasant, sitting up in chair, NAD|"
    "alert, comfortable, conversant",
    "NAD, alert|comfortable, speaking in full sentences|no acute distress, tired",
    "mildly uncomfortable|fatigued but conversant|mild distress, alert",
    "ill appearing, uncomfortable|moderate distress, tachypneic|lethargic, pale",
    "critically ill, minimally responsive|toxic appearing, in severe distress|intubated, sedated|"
    "cachectic, obtunded",
};

const char *const oc_notes_course[5] = {
    "{He} has otherwise been in {his} usual state of health.|"
    "{He} felt better by the time {he} was seen.|Symptoms had resolved on arrival.",
    "{He} was stable on arrival.|{He} remained comfortable in the ED.|"
    "{He} walked into the department.",
    "{He} was uncomfortable but stable.|Symptoms slowly worsened over {2-5} days.|"
    "{He} needed supplemental oxygen by nasal cannula.",
    "{He} deteriorated in the ED.|{He} required a nonrebreather mask.|"
    "Blood pressure fell after arrival.|{He} was transferred because of worsening condition.",
    "{He} was in extremis on arrival.|{He} arrested briefly in the ambulance with return of "
    "pulses.|{He} continued to decline despite maximal support.|"
    "Family was called to the bedside.",
};

const char *const oc_notes_treatment[5] = {
    "No treatment was needed in the ED.|{He} received acetaminophen.|"
    "{He} was given home medications.",
    "{He} received one liter of fluid.|{He} received ondansetron and fluids.|"
    "Oral medications were given.",
    "{He} received {1-2} liters of saline and antibiotics.|{He} was given ceftriaxone.|"
    "{He} received morphine and fluids.",
    "{He} received vancomycin and zosyn with {3-4} liters of fluid.|Bicarbonate was given.|"
    "{He} received {3-5} liters without improvement.",
    "Levophed and vasopressin were started.|{He} was placed on three pressors.|"
    "Norepinephrine was titrated to keep mean pressure above 60.|Epinephrine was given.",
};

const char *const oc_notes_destination[5] = {
    "{He} was admitted for observation.|{He} was admitted to the floor.",
    "{He} was admitted to medicine.|{He} was admitted to the floor for further care.",
    "{He} was admitted to a monitored bed.|{He} was admitted to the step down unit.",
    "{He} was admitted to the ICU for close monitoring.|{He} was transferred to the MICU.",
    ("{He} was taken emergently to the ICU.|"
     "Goals of care were addressed with the family before transfer to the MICU."),
};

const char *const oc_notes_pulses[5] = {
    "warm, no edema, 2+ pulses|no edema, well perfused",
    "warm, trace edema|no cyanosis or clubbing",
    "1+ edema, pulses intact|trace edema to the shins",
    "cool distally, 2+ edema|2+ pitting edema to the knees",
    "mottled, cold extremities|anasarca, thready pulses",
};

const char *const oc_notes_mental[5] = {
    "alert and oriented x3, nonfocal|intact, normal gait",
    "alert, oriented x3, moving all extremities|CN II-XII intact, strength 5/5",
    "oriented x2, slow to answer|alert, mildly inattentive",
    "lethargic, follows simple commands|opens eyes to voice",
    ("unresponsive to voice, withdraws to pain|GCS {3-6}, no purposeful movement|"
     "pupils sluggish, no gag"),
};

const char *const oc_notes_baseline[5] = {
    "Independent in all activities.|{He} swims twice a week.|{He} walks {1-3} miles a day.",
    "Independent with shopping and cooking.|Drives and manages {his} own medications.",
    "Uses a cane.|Needs some help with housework.",
    "Walks with a walker and needs help with bathing.|Mostly in a wheelchair.",
    "Bedbound and dependent for all care.|Needs full assistance with feeding and transfers.",
};

const char *const oc_notes_normal[OC_N_SYS] = {
    "HEENT: PERRL, oropharynx clear.|HEENT: anicteric, moist mucous membranes.|"
    "HEENT: dry mucous membranes.|HEENT: EOMI, sclera anicteric.",
    "supple, no JVD|no lymphadenopathy|JVP flat|supple",
    "RRR, no murmurs|regular rate, normal S1 S2|regular, no rubs or gallops",
    "clear to auscultation bilaterally|CTA bilaterally, no wheezes or crackles|"
    "good air movement, no rales",
    "soft, nontender, nondistended|soft, NT, positive bowel sounds|benign, no organomegaly",
    "",
    "",
    "no rash|warm and dry|intact, no lesions",
};

const char *const oc_notes_symptoms =
    "chest pain|shortness of breath|fever|chills|nausea|vomiting|abdominal pain|diarrhea|"
    "constipation|melena"
    "|dysuria|hematuria|headache|visual changes|weakness|numbness|lightheadedness|palpitations|"
    "orthopnea|leg swelling"
    "|cough|hemoptysis|weight loss|night sweats|rash|back pain|syncope|confusion|jaundice|seizure";

const char *const oc_notes_surgeries =
    "appendectomy|hysterectomy|tonsillectomy|right knee replacement|cataract surgery|"
    "hernia repair|carpal tunnel release"
    "|lumbar laminectomy|rotator cuff repair|cesarean section x2|thyroid nodule biopsy|"
    "hemorrhoidectomy|left total hip replacement"
    "|skin cancer excision|bunion surgery";

const char *const oc_notes_other_drugs =
    "multivitamin daily|docusate 100 mg BID|senna 2 tabs prn|acetaminophen 650 mg prn|"
    "ibuprofen 400 mg prn|fish oil daily"
    "|loratadine 10 mg daily|zolpidem 5 mg at bedtime|oxycodone acetaminophen prn|"
    "aspirin 81 mg daily|vitamin B12 daily|eye drops BID" ;

const char *const oc_notes_allergies =
    "No known drug allergies|NKDA|Penicillins|Sulfa drugs|Penicillin causes rash|Codeine|"
    "Shellfish|Lisinopril causes cough|Latex"
    "|Iodine contrast causes hives|Aspirin|Morphine causes itching|Levofloxacin|Bee stings|"
    "No known allergies to drugs" ;

const char *const oc_notes_relatives =
    "Father with|Mother with|Brother with|Sister with|Father died of|Mother had|Grandfather with|"
    "Two uncles with|Son with" ;

const char *const oc_notes_family_other =
    "Noncontributory.|Unknown, adopted.|Not obtained.|Parents lived into their {80-95}s.|"
    "Denies family history of heart disease or cancer."
    "|No family history of clotting disorders.|Three healthy children.";

const char *const oc_notes_living[3] = {
    "Lives with {his} {spouse}.|Lives at home with family.|Married with {2-4} children.|"
    "Lives with {his} daughter.",
    "Lives alone.|Widowed, lives alone in an apartment.|"
    "Lives alone with visiting nurse twice a week.|Homeless, stays in a shelter.",
    "Lives in a nursing home.|Resident of a skilled nursing facility.|"
    "Comes from rehab, where {he} has been for {2-9} weeks.",
};

const char *const oc_notes_work =
    "Retired teacher.|Worked as a carpenter.|Former truck driver.|Retired nurse.|"
    "Works in an office.|Unemployed.|On disability."
    "|Retired from the post office.|Veteran.|Works as a cook.|Retired engineer.|Homemaker.";

const char *const oc_notes_tobacco[3] = {
    "Never smoked.|No tobacco.|Denies tobacco use.",
    "Quit smoking {5-30} years ago.|Former smoker, {20-60} pack years.|Remote tobacco use.",
    "Smokes {1-2} packs per day.|Current smoker.|Continues to smoke despite advice.",
};

const char *const oc_notes_alcohol[3] = {
    "No alcohol.|Denies alcohol or drugs.|No alcohol or illicit drug use.",
    "Occasional alcohol.|One glass of wine with dinner.|Rare alcohol.",
    "Drinks {6-12} beers a day.|Heavy alcohol use.|A pint of vodka daily.",
};

const char *const oc_notes_filler =
    "Records from the outside hospital are not available.|History was obtained from the family.|"
    "An interpreter was used."
    "|{He} saw {his} primary care doctor {2-6} weeks ago.|"
    "{He} has been taking all medications as prescribed.|"
    "{He} had no sick contacts or recent travel."
    "|Review of systems is otherwise negative.|{He} last ate the evening before.|"
    "There was no recent change in medications."
    "|{His} last admission was {2-11} months ago.|A chest film was obtained.|"
    "EKG showed sinus rhythm without change from prior." ;
// clang-format on
